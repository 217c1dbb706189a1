-- Where does the time of whole traces go: to the model, the network, waits between attempts, other services, own code? One
-- row a combination of the dimensions asked for, which are those of a trace's first call, the busiest first, and one over
-- all of them (is_total). *_ms are a trace's means and add up to total_ms; network_ms is NULL where it is known of no trace.
WITH chosen AS MATERIALIZED (
    SELECT trace_id, {first_of_names}, count(*) AS calls
    FROM {chosen_calls}
    WHERE trace_id IS NOT NULL
    GROUP BY trace_id
),
times AS (
{times}
)
SELECT
    {output_names},
    count(*) AS traces,
    CAST(sum(calls) AS BIGINT) AS calls,
    CAST(sum(timed_calls) AS BIGINT) AS timed_calls,
    round(avg(total_ns) / 1e6, 3) AS total_ms,
    round(avg(model_ns) / 1e6, 3) AS model_ms,
    CASE WHEN count(network_ns) > 0 THEN round(avg(coalesce(network_ns, 0)) / 1e6, 3) END AS network_ms,
    round(avg(waiting_ns) / 1e6, 3) AS waiting_ms,
    round(avg(services_ns) / 1e6, 3) AS services_ms,
    round(avg(total_ns - model_ns - coalesce(network_ns, 0) - waiting_ns - services_ns) / 1e6, 3) AS own_ms,
    grouping({first_name}) = 1 AS is_total
FROM chosen
INNER JOIN times USING (trace_id)
WHERE total_ns IS NOT NULL
GROUP BY GROUPING SETS (({names}), ())
ORDER BY is_total, {order} traces DESC, {names};
