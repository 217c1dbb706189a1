-- The same as trace_times.sql, out of the roll-up: a row of it tells of all spans of a trace in some files. Where there are
-- more, in other files of it or in none, the trace is read from its spans, on the dates that have any.
WITH stored AS MATERIALIZED (
    SELECT trace_id, date, timed_calls, total_ns, model_ns, network_ns, waiting_ns, services_ns
    FROM rollups
    WHERE cube = 'traces' AND {is_chosen}
),
others AS MATERIALIZED (
    SELECT DISTINCT trace_id, date FROM {open_spans}
),
scattered AS MATERIALIZED (
    SELECT trace_id FROM stored GROUP BY trace_id HAVING count(*) > 1
    UNION
    SELECT trace_id FROM others
),
places AS MATERIALIZED (
    SELECT trace_id, date FROM stored SEMI JOIN scattered USING (trace_id)
    UNION
    SELECT trace_id, date FROM others
)
SELECT * EXCLUDE (date) FROM stored ANTI JOIN scattered USING (trace_id)
UNION ALL BY NAME
FROM (
{trace_times}
)
