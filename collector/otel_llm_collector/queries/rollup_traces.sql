-- How long is each trace on, and with what, as far as these spans tell? One row a trace that has any: without times where
-- no call is among them, as its spans elsewhere may have one.
SELECT
    'traces' AS cube,
    'day' AS grain,
    TIMESTAMPTZ '{date} 00:00:00Z' AS start_time,
    *
FROM (SELECT DISTINCT trace_id FROM {spans} WHERE trace_id IS NOT NULL)
LEFT JOIN (
{trace_times}
) USING (trace_id)
