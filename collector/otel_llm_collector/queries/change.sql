-- What did the calls of a time cost beside those of the time before it, and what drove the change? One row a combination
-- of the dimensions asked for, the largest change first, and one over all of them (is_total). Calls without a price are in
-- no figure.
--
-- The parts of a change are those of the logarithmic mean Divisia index (LMDI-I; Ang, "The LMDI approach to decomposition
-- analysis", Energy Policy 33, 2005): they add up to it and do not depend on the order in which one looks at the factors.
-- volume: more or fewer calls. mix: dearer or cheaper models of them; a model that is new or gone is mix. tokens: longer or
-- shorter calls of the same model. price: another price a token, be it a new price, fewer cached tokens or more output.
-- Where there were no calls before, or are none now, all is volume.
WITH priced AS (
    SELECT
        *,
        start_time >= $middle AS is_now,
        coalesce(if(input_tokens < 1e12, input_tokens, 0), 0) + coalesce(if(output_tokens < 1e12, output_tokens, 0), 0)
            AS all_tokens
    FROM {chosen_calls}
),
cells AS MATERIALIZED (
    SELECT
        {names},
        provider,
        model,
        count(cost_usd) FILTER (WHERE is_now) AS calls,
        count(cost_usd) FILTER (WHERE NOT is_now) AS calls_before,
        sum(all_tokens) FILTER (WHERE is_now AND cost_usd IS NOT NULL) AS tokens,
        sum(all_tokens) FILTER (WHERE NOT is_now AND cost_usd IS NOT NULL) AS tokens_before,
        coalesce(sum(cost_usd) FILTER (WHERE is_now), 0) AS cost_usd,
        coalesce(sum(cost_usd) FILTER (WHERE NOT is_now), 0) AS cost_before_usd,
        count(*) FILTER (WHERE is_now AND cost_usd IS NULL) AS unpriced_now,
        count(*) FILTER (WHERE NOT is_now AND cost_usd IS NULL) AS unpriced_before
    FROM priced
    GROUP BY {names}, provider, model
),
leveled AS (
    SELECT *, false AS is_total FROM cells
    UNION ALL BY NAME
    SELECT
        true AS is_total,
        sum(calls) AS calls,
        sum(calls_before) AS calls_before,
        sum(tokens) AS tokens,
        sum(tokens_before) AS tokens_before,
        sum(cost_usd) AS cost_usd,
        sum(cost_before_usd) AS cost_before_usd,
        sum(unpriced_now) AS unpriced_now,
        sum(unpriced_before) AS unpriced_before
    FROM cells
    GROUP BY provider, model
    UNION ALL BY NAME
    -- there is a row over all calls where there is none, too
    SELECT
        true AS is_total,
        0 AS calls,
        0 AS calls_before,
        0 AS cost_usd,
        0 AS cost_before_usd,
        0 AS unpriced_now,
        0 AS unpriced_before
),
factors AS (
    SELECT
        *,
        -- what stands for a factor that is zero (same paper): its part tends to the whole change
        if(cost_usd = 0, 1e-100, cost_usd::DOUBLE) AS now_usd,
        if(cost_before_usd = 0, 1e-100, cost_before_usd::DOUBLE) AS before_usd,
        -- the mean that turns a ratio's logarithm into a difference
        if(
            abs(now_usd - before_usd) <= 1e-12 * greatest(now_usd, before_usd),
            now_usd,
            (now_usd - before_usd) / ln(now_usd / before_usd)
        ) AS weight,
        ln(now_usd / before_usd) AS whole,
        calls > 0 AND calls_before > 0 AS is_both,
        if(is_both, ln(calls::DOUBLE / calls_before), whole) AS more_calls,
        if(
            is_both AND tokens > 0 AND tokens_before > 0,
            ln((tokens::DOUBLE / calls) / (tokens_before::DOUBLE / calls_before)),
            0
        ) AS more_tokens
    FROM leveled
),
sums AS (
    SELECT
        {names},
        is_total,
        CAST(sum(calls) AS BIGINT) AS calls,
        CAST(sum(calls_before) AS BIGINT) AS calls_before,
        sum(cost_usd) AS cost_usd,
        sum(cost_before_usd) AS cost_before_usd,
        sum(cost_usd) - sum(cost_before_usd) AS change_usd,
        CAST(sum(unpriced_now) AS BIGINT) AS unpriced_now,
        CAST(sum(unpriced_before) AS BIGINT) AS unpriced_before,
        if(sum(calls) > 0 AND sum(calls_before) > 0, ln(sum(calls)::DOUBLE / sum(calls_before)), NULL) AS growth,
        CAST(growth * sum(weight) AS DECIMAL(38, 6)) AS volume,
        CAST(sum(weight * more_calls) - growth * sum(weight) AS DECIMAL(38, 6)) AS mix,
        CAST(sum(weight * more_tokens) AS DECIMAL(38, 6)) AS longer,
        CAST(sum(weight * (whole - more_calls - more_tokens)) AS DECIMAL(38, 6)) AS price,
        -- the largest part takes what rounding leaves
        change_usd - volume - mix - longer - price AS rest,
        CASE greatest(abs(volume), abs(mix), abs(longer), abs(price))
            WHEN abs(volume) THEN 'volume'
            WHEN abs(mix) THEN 'mix'
            WHEN abs(longer) THEN 'tokens'
            ELSE 'price'
        END AS largest
    FROM factors
    GROUP BY {names}, is_total
)
SELECT
    {output_names},
    calls,
    calls_before,
    cost_usd,
    cost_before_usd,
    change_usd,
    round(cost_usd::DOUBLE / nullif(cost_before_usd, 0)::DOUBLE - 1, 6) AS change,
    CAST(if(growth IS NULL, change_usd, volume + if(largest = 'volume', rest, 0)) AS DECIMAL(38, 12)) AS volume_usd,
    CAST(if(growth IS NULL, 0, mix + if(largest = 'mix', rest, 0)) AS DECIMAL(38, 12)) AS mix_usd,
    CAST(if(growth IS NULL, 0, longer + if(largest = 'tokens', rest, 0)) AS DECIMAL(38, 12)) AS tokens_usd,
    change_usd - volume_usd - mix_usd - tokens_usd AS price_usd,
    unpriced_now,
    unpriced_before,
    is_total
FROM sums
ORDER BY is_total, abs(change_usd) DESC, cost_usd DESC, {names};
