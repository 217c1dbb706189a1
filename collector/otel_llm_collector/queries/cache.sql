-- What was read from caches, and what did that save? One row a combination of the dimensions asked for, the largest saving
-- first, and one over all of them (is_total). hit_rate is of the input tokens. saved_usd is what the tokens read and
-- written would have cost as plain input of the same model, price list, tier and length, less what they did cost:
-- negative where more was paid for writing than reading has saved, NULL where no call shows the price of plain input.
-- Where a cached token is an image's or a sound's, it is taken for text.
WITH called AS (
    SELECT
        *,
        TRY(coalesce(input_tokens, 0) - coalesce(cache_read_tokens, 0) - coalesce(cache_write_tokens, 0)) AS plain_tokens,
        TRY(coalesce(cache_read_tokens, 0) + coalesce(cache_write_tokens, 0)) AS cache_tokens,
        coalesce(cost_cache_read_usd, 0) + coalesce(cost_cache_write_usd, 0) + coalesce(cost_cache_write_1h_usd, 0) AS cache_usd,
        input_tokens > 200000 AS is_long,
        cost_usd IS NOT NULL AND cache_tokens > 0 AS is_saving,
        plain_tokens > 0 AND cost_input_usd > 0 AND audio_input_tokens IS NULL AND image_input_tokens IS NULL AS is_plain
    FROM {chosen_calls}
),
-- One look at all calls: a row a combination and price.
parts AS MATERIALIZED (
    SELECT
        {names},
        provider,
        model,
        price_version,
        service_tier,
        is_long,
        count(*) AS calls,
        count(*) FILTER (WHERE cache_read_tokens > 0) AS hits,
        sum(input_tokens) FILTER (WHERE input_tokens < 1e12) AS input_tokens,
        sum(cache_read_tokens) FILTER (WHERE cache_read_tokens < 1e12) AS cache_read_tokens,
        sum(cache_write_tokens) FILTER (WHERE cache_write_tokens < 1e12) AS cache_write_tokens,
        sum(cost_usd) AS cost_usd,
        sum(cache_tokens) FILTER (WHERE is_saving) AS cache_tokens,
        sum(cache_usd) FILTER (WHERE is_saving) AS cache_usd,
        max(plain_tokens) FILTER (WHERE is_plain) AS plain_tokens,
        arg_max(CAST(cost_input_usd AS DOUBLE) / plain_tokens, plain_tokens) FILTER (WHERE is_plain) AS input_usd
    FROM called
    GROUP BY ALL
),
-- The most exact figure is that of the call with the most tokens: each was rounded once.
rates AS (
    SELECT provider, model, price_version, service_tier, is_long, arg_max(input_usd, plain_tokens) AS input_usd
    FROM parts
    GROUP BY ALL
),
priced AS (
    SELECT parts.*, rates.input_usd * cache_tokens - CAST(cache_usd AS DOUBLE) AS saved_usd
    FROM parts
    LEFT JOIN rates
        ON parts.provider IS NOT DISTINCT FROM rates.provider AND parts.model IS NOT DISTINCT FROM rates.model
        AND parts.price_version IS NOT DISTINCT FROM rates.price_version
        AND parts.service_tier IS NOT DISTINCT FROM rates.service_tier
        AND parts.is_long IS NOT DISTINCT FROM rates.is_long
),
grouped AS (
    SELECT
        {names},
        grouping({first_name}) = 1 AS is_total,
        CAST(coalesce(sum(calls), 0) AS BIGINT) AS calls,
        CAST(coalesce(sum(hits), 0) AS BIGINT) AS hits,
        TRY_CAST(sum(input_tokens) AS BIGINT) AS input_tokens,
        TRY_CAST(sum(cache_read_tokens) AS BIGINT) AS cache_read_tokens,
        TRY_CAST(sum(cache_write_tokens) AS BIGINT) AS cache_write_tokens,
        TRY_CAST(sum(saved_usd) AS DECIMAL(38, 6)) AS saved_usd,
        sum(cost_usd) AS cost_usd
    FROM priced
    GROUP BY GROUPING SETS (({names}), ())
)
SELECT
    {output_names},
    calls,
    hits,
    input_tokens,
    cache_read_tokens,
    cache_write_tokens,
    round(cache_read_tokens / nullif(input_tokens, 0), 6) AS hit_rate,
    saved_usd,
    cost_usd,
    is_total
FROM grouped
ORDER BY is_total, {order} saved_usd DESC NULLS LAST, calls DESC, {names};
