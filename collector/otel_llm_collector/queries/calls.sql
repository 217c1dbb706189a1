-- The chosen calls, all columns of them.
FROM (SELECT * FROM llm_calls WHERE {where})
WHERE {filter}
ORDER BY start_time, row_id;
