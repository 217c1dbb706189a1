-- Which bucket does each call fall into? A row a duration, with the call, a row a time to the first chunk, and a row a
-- pace, in millionths of a token a second. Those that a bucket cannot tell from 0 are rounded to it anyway.
SELECT * EXCLUDE (pace, timed), timed.*
FROM (
    SELECT
        *,
        unnest([
            {
                bucket: {duration_bucket},
                calls: 1,
                errors: if(status = 'ERROR', 1, 0),
                durations: if(duration_ms IS NULL, 0, 1),
                first_chunks: 0,
                paces: 0
            },
            {bucket: {first_chunk_bucket}, calls: 0, errors: 0, durations: 0, first_chunks: 1, paces: 0},
            {bucket: {pace_bucket}, calls: 0, errors: 0, durations: 0, first_chunks: 0, paces: 1}
        ]) AS timed
    FROM (
        SELECT
            *,
            CASE WHEN output_tokens >= 0 AND duration_ms - coalesce(time_to_first_chunk_ms, 0) >= 1 THEN
                if(output_tokens = 0, 0, greatest(1, output_tokens / (duration_ms - coalesce(time_to_first_chunk_ms, 0)) * 1e9))
            END AS pace
        FROM llm_calls
    )
)
WHERE timed.calls = 1 OR timed.bucket IS NOT NULL
