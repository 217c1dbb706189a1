-- How do the versions of a prompt compare? One row a prompt and version, the versions of one in the order in which they
-- came into use, and one row over all of them (is_total). Figures of money and tokens are a call's mean; *_change is that
-- of the version against the one before it. scores has the mean of each score by its name.
WITH calls AS NOT MATERIALIZED (
    FROM {chosen_calls} WHERE {first_name} IS NOT NULL
),
parts AS MATERIALIZED (
    SELECT
        {names},
        min(start_time) AS first_time,
        max(start_time) AS last_time,
        count(*) FILTER (WHERE input_tokens < 1e12) AS input_calls,
        count(*) FILTER (WHERE output_tokens < 1e12) AS output_calls,
{part_sums}
    FROM calls
    GROUP BY {names}
),
timed AS (
{took}),
summed AS (
    SELECT
        {names},
        grouping({first_name}) = 1 AS is_total,
        min(first_time) AS first_time,
        max(last_time) AS last_time,
        CAST(sum(input_tokens) AS DOUBLE) / nullif(sum(input_calls), 0) AS input_mean,
        CAST(sum(output_tokens) AS DOUBLE) / nullif(sum(output_calls), 0) AS output_mean,
{last_sums}
    FROM parts
    GROUP BY GROUPING SETS (({names}), ())
),
called AS (
    SELECT asked.*, took
    FROM summed AS asked
    JOIN timed AS beside ON asked.is_total = beside.is_total AND ({matched_names})
),
scored AS (
    SELECT {names}, score_name, round(avg(score_value), 6) AS mean
    FROM {chosen_scores}
    WHERE score_value IS NOT NULL
    GROUP BY ALL
),
scores AS (
    SELECT {names}, map_from_entries(list((score_name, mean) ORDER BY score_name)) AS scores
    FROM scored
    GROUP BY {names}
),
compared AS (
    SELECT
        asked.*,
        beside.scores,
        cost_usd / nullif(calls - unpriced_calls, 0) AS usd_per_call,
        coalesce(input_mean + output_mean, input_mean, output_mean) AS tokens_mean
    FROM called AS asked
    LEFT JOIN scores AS beside ON NOT is_total AND ({matched_names})
)
SELECT
    {output_names},
    calls,
    round(errors / nullif(calls, 0), 6) AS error_rate,
    round(input_mean, 1) AS input_per_call,
    round(output_mean, 1) AS output_per_call,
    round(tokens_mean / nullif(lag(tokens_mean) OVER versions, 0) - 1, 6) AS tokens_change,
    round(usd_per_call, 6) AS usd_per_call,
    round(usd_per_call / nullif(lag(usd_per_call) OVER versions, 0) - 1, 6) AS usd_change,
    cost_usd,
    round(took[1], 3) AS p50_ms,
    round(took[2], 3) AS p95_ms,
    scores,
    first_time,
    last_time,
    unpriced_calls,
    is_total
FROM compared
WINDOW versions AS (PARTITION BY is_total, {first_name} ORDER BY first_time)
ORDER BY is_total, {first_name}, compared.first_time, {names};
