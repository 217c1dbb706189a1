-- How long do the calls take? One row a combination of the dimensions asked for, and one over all of them (is_total).
-- Calls whose sender's clock ran backwards count, but have no duration. Tokens come from the first chunk on, where a
-- call tells when that was; at least a millisecond, as some answers are there at once.
WITH grouped AS (
    SELECT
        {names},
        grouping({first_name}) = 1 AS is_total,
        count(*) AS calls,
        count(*) FILTER (WHERE status = 'ERROR') AS errors,
        quantile_cont(duration_ms, [0.5, 0.9, 0.95, 0.99]) AS total,
        quantile_cont(time_to_first_chunk_ms, [0.5, 0.95, 0.99]) FILTER (WHERE time_to_first_chunk_ns >= 0) AS chunk,
        median(output_tokens / (duration_ms - coalesce(time_to_first_chunk_ms, 0)) * 1e3)
            FILTER (WHERE duration_ms - coalesce(time_to_first_chunk_ms, 0) >= 1) AS pace
    FROM {chosen_calls}
    GROUP BY GROUPING SETS (({names}), ())
)
SELECT
    {output_names},
    * EXCLUDE ({names}, total, chunk, pace),
    round(total[1], 3) AS p50_ms,
    round(total[2], 3) AS p90_ms,
    round(total[3], 3) AS p95_ms,
    round(total[4], 3) AS p99_ms,
    round(chunk[1], 3) AS first_chunk_p50_ms,
    round(chunk[2], 3) AS first_chunk_p95_ms,
    round(chunk[3], 3) AS first_chunk_p99_ms,
    round(pace, 1) AS tokens_per_s
FROM grouped
ORDER BY is_total, {order} calls DESC, {names};
