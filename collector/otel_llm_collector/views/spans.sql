-- Every span, one row each: the columns of the lake, and three that are convenient to ask for.
CREATE OR REPLACE VIEW spans AS
SELECT
    *,
    coalesce(response_model, request_model) AS model,
    duration_ns / 1e6 AS duration_ms,
    time_to_first_chunk_ns / 1e6 AS time_to_first_chunk_ms
FROM ({source});
