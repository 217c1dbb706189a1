-- Which bucket does each call fall into? A row a duration, with the call, a row a time to the first chunk, and a row a
-- pace, in millionths of a token a second. Those that a bucket cannot tell from 0 are rounded to it anyway.
SELECT
    *,
    {duration_bucket} AS bucket,
    1 AS calls,
    if(status = 'ERROR', 1, 0) AS errors,
    if(duration_ns >= 0, 1, 0) AS durations,
    0 AS first_chunks,
    0 AS paces
FROM llm_calls
UNION ALL
SELECT *, {first_chunk_bucket}, 0, 0, 0, 1, 0
FROM llm_calls
WHERE time_to_first_chunk_ns >= 0
UNION ALL
SELECT * EXCLUDE (pace), {pace_bucket}, 0, 0, 0, 0, 1
FROM (
    SELECT
        *,
        if(output_tokens = 0, 0, greatest(1, output_tokens / (duration_ms - coalesce(time_to_first_chunk_ms, 0)) * 1e9)) AS pace
    FROM llm_calls
    WHERE output_tokens >= 0 AND duration_ms - coalesce(time_to_first_chunk_ms, 0) >= 1
)
