-- Every span, one row each: the columns of the lake, and three that are convenient to ask for. duration_ms is NULL where a
-- clock was wrong: the end before the start, or more than 400 days behind it.
CREATE OR REPLACE VIEW spans AS
SELECT
    *,
    coalesce(response_model, request_model) AS model,
    CASE WHEN duration_ns BETWEEN 0 AND 34_560_000_000_000_000 THEN duration_ns / 1e6 END AS duration_ms,
    time_to_first_chunk_ns / 1e6 AS time_to_first_chunk_ms
FROM ({source});
