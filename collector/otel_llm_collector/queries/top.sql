-- What goes on? One row a combination of the dimensions asked for, the dearest first, and one over all of them (is_total).
-- Rates are over the time from the first call to the last, a minute at least; trend has the cost of each twelfth of it.
WITH calls AS NOT MATERIALIZED (
    FROM {chosen_calls}
),
spread AS (
    SELECT epoch(min(start_time)) AS first_s, greatest(epoch(max(start_time)) - first_s, 60) AS all_s
    FROM calls
),
parts AS MATERIALIZED (
    SELECT
        {names},
        least(CAST(floor(12 * (epoch(start_time) - first_s) / all_s) AS BIGINT), 11) AS part,
{part_sums}
    FROM calls
    CROSS JOIN spread
    GROUP BY ALL
),
timed AS (
{took}),
grouped AS (
    SELECT
        {names},
        grouping({first_name}) = 1 AS is_total,
        [
            coalesce(sum(cost_usd) FILTER (WHERE part = 0), 0),
            coalesce(sum(cost_usd) FILTER (WHERE part = 1), 0),
            coalesce(sum(cost_usd) FILTER (WHERE part = 2), 0),
            coalesce(sum(cost_usd) FILTER (WHERE part = 3), 0),
            coalesce(sum(cost_usd) FILTER (WHERE part = 4), 0),
            coalesce(sum(cost_usd) FILTER (WHERE part = 5), 0),
            coalesce(sum(cost_usd) FILTER (WHERE part = 6), 0),
            coalesce(sum(cost_usd) FILTER (WHERE part = 7), 0),
            coalesce(sum(cost_usd) FILTER (WHERE part = 8), 0),
            coalesce(sum(cost_usd) FILTER (WHERE part = 9), 0),
            coalesce(sum(cost_usd) FILTER (WHERE part = 10), 0),
            coalesce(sum(cost_usd) FILTER (WHERE part = 11), 0)
        ] AS trend,
{last_sums}
    FROM parts
    GROUP BY GROUPING SETS (({names}), ())
)
SELECT
    {output_names},
    calls,
    round(60 * calls / all_s, 1) AS calls_per_min,
    errors,
    round(took[1], 3) AS p50_ms,
    round(took[2], 3) AS p95_ms,
    cost_usd,
    round(3600 * CAST(cost_usd AS DOUBLE) / all_s, 4) AS usd_per_hour,
    trend,
    unpriced_calls,
    is_total
FROM (
    SELECT asked.*, took
    FROM grouped AS asked
    JOIN timed AS beside ON asked.is_total = beside.is_total AND ({matched_names})
)
CROSS JOIN spread
ORDER BY is_total, {order} cost_usd DESC NULLS LAST, calls DESC, {names};
