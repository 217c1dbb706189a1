-- One row a trace; what belongs to no trace, as an event may, is in none. Its name is the root's, or the earliest span's while the root is missing. duration_ms leaves out
-- spans whose start or end cannot be right (clock_flag), where there are others.
CREATE OR REPLACE VIEW traces AS
SELECT
    trace_id,
    coalesce(arg_min(name, began) FILTER (WHERE parent_span_id IS NULL), arg_min(name, began)) AS name,
    arg_min(service_name, began) AS service_name,
    arg_min(workflow_name, began) AS workflow_name,
    arg_min(session_id, began) AS session_id,
    arg_min(user_id, began) AS user_id,
    min(start_time) AS start_time,
    coalesce(
        max(end_ns) FILTER (WHERE is_sound) - min(start_time_ns) FILTER (WHERE is_sound),
        max(end_ns) - min(start_time_ns)
    ) / 1e6 AS duration_ms,
    count(*) AS spans,
    count(*) FILTER (WHERE status = 'ERROR') AS failed_spans,
{call_sums}
FROM (
    SELECT
        *,
        (start_time, start_time_ns) AS began,
        start_time_ns::HUGEINT + duration_ns AS end_ns,
        coalesce(clock_flag, '') NOT IN ('zero_time', 'out_of_range', 'end_out_of_range') AS is_sound
    FROM spans
    WHERE trace_id IS NOT NULL
)
GROUP BY trace_id;
