-- Which traces have an id that begins so, the newest first? The empty prefix finds them all.
SELECT trace_id
FROM spans
WHERE starts_with(trace_id, $prefix)
GROUP BY trace_id
ORDER BY max(start_time) DESC, trace_id
LIMIT 6;
