-- One row a session; spans without a session are in none.
CREATE OR REPLACE VIEW sessions AS
SELECT
    session_id,
    arg_min(session_name, (start_time, start_time_ns)) AS session_name,
    arg_min(user_id, (start_time, start_time_ns)) AS user_id,
    min(start_time) AS first_time,
    max(start_time) AS last_time,
    count(DISTINCT trace_id) AS traces,
    count(*) AS spans,
{call_sums}
FROM spans
WHERE session_id IS NOT NULL
GROUP BY session_id;
