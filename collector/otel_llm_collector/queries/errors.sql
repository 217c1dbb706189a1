-- Which calls fail? One row a combination of the dimensions asked for and kind of error, those with the most first, and
-- one over all calls (is_total). calls are all of the combination, failed or not, error_rate is the kind's part of
-- them. http_statuses counts the failed ones by status, lost_usd is what they cost all the same, last_trace_id is the
-- newest of them.
WITH counted AS MATERIALIZED (
    SELECT {names}, count(*) AS calls
    FROM {chosen_calls}
    GROUP BY {names}
),
whole AS (
    SELECT {names}, grouping({first_name}) = 1 AS is_total, CAST(coalesce(sum(calls), 0) AS BIGINT) AS calls
    FROM counted
    GROUP BY GROUPING SETS (({names}), ())
),
failed AS (
    SELECT
        {names},
        grouping({first_name}) = 1 AS is_total,
        coalesce(error_type, 'unknown') AS error,
        count(*) AS errors,
        histogram(http_status) FILTER (WHERE http_status IS NOT NULL) AS http_statuses,
        round(avg(coalesce(attempts, 1)), 1) AS attempts,
        sum(cost_usd) AS lost_usd,
        max(start_time) AS last_time,
        arg_max(trace_id, start_time) AS last_trace_id
    FROM {chosen_calls}
    WHERE status = 'ERROR'
    GROUP BY GROUPING SETS (({names}, error), ())
)
SELECT
    {output_names},
    error,
    errors,
    calls,
    round(errors / nullif(calls, 0), 6) AS error_rate,
    * EXCLUDE ({names}, error, errors, calls)
FROM (
    SELECT beside.*, calls
    FROM failed AS beside
    JOIN whole AS asked ON asked.is_total = beside.is_total AND ({matched_names})
)
ORDER BY is_total, {order} errors DESC, {names}, error;
