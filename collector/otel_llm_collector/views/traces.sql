-- One row a trace. Its name is the root's, or the earliest span's while the root is missing.
CREATE OR REPLACE VIEW traces AS
SELECT
    trace_id,
    coalesce(arg_min(name, start_time_ns) FILTER (WHERE parent_span_id IS NULL), arg_min(name, start_time_ns)) AS name,
    arg_min(service_name, start_time_ns) AS service_name,
    arg_min(workflow_name, start_time_ns) AS workflow_name,
    arg_min(session_id, start_time_ns) AS session_id,
    arg_min(user_id, start_time_ns) AS user_id,
    min(start_time) AS start_time,
    (max(start_time_ns + duration_ns) - min(start_time_ns)) / 1e6 AS duration_ms,
    count(*) AS spans,
    count(*) FILTER (WHERE status = 'ERROR') AS failed_spans,
{call_sums}
FROM spans
GROUP BY trace_id;
