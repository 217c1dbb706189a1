-- Which calls fail? One row a combination of the dimensions asked for and kind of error, those with the most first, and
-- one over all calls (is_total). calls are all of the combination, failed or not, error_rate is the kind's part of
-- them. http_statuses counts the failed ones by status, lost_usd is what they cost all the same, last_trace_id is the
-- newest of them.
WITH grouped AS (
    SELECT
        {names},
        grouping({first_name}) = 1 AS is_total,
        if(status = 'ERROR', coalesce(error_type, 'unknown'), NULL) AS error,
        count(*) AS calls,
        count(*) FILTER (WHERE status = 'ERROR') AS errors,
        histogram(http_status) FILTER (WHERE status = 'ERROR' AND http_status IS NOT NULL) AS http_statuses,
        round(avg(coalesce(attempts, 1)) FILTER (WHERE status = 'ERROR'), 1) AS attempts,
        sum(cost_usd) FILTER (WHERE status = 'ERROR') AS lost_usd,
        max(start_time) FILTER (WHERE status = 'ERROR') AS last_time,
        arg_max(trace_id, start_time) FILTER (WHERE status = 'ERROR') AS last_trace_id
    FROM {chosen_calls}
    GROUP BY GROUPING SETS (({names}, error), ())
)
SELECT
    {output_names},
    error,
    errors,
    CAST(sum(calls) OVER (PARTITION BY is_total, {names}) AS BIGINT) AS calls,
    round(errors / sum(calls) OVER (PARTITION BY is_total, {names}), 6) AS error_rate,
    * EXCLUDE ({names}, error, errors, calls)
FROM grouped
QUALIFY is_total OR errors > 0
ORDER BY is_total, {order} errors DESC, {names}, error;
