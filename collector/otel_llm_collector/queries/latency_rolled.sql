-- How long do the calls take, from buckets of times? Rows and columns are those of latency.sql. A percentile lies
-- between two calls, of which each is known by the middle of its bucket.
WITH parts AS (
{parts}
),
leveled AS (
    SELECT
        {names},
        grouping({first_name}) = 1 AS is_total,
        bucket,
        {middle} AS ms,
{sums}
    FROM parts
    GROUP BY GROUPING SETS (({names}, bucket), (bucket))
    UNION ALL BY NAME
    -- there is a row over all calls where there is none, too
    SELECT true AS is_total, 0 AS calls, 0 AS errors, 0 AS durations, 0 AS first_chunks, 0 AS paces
),
ranked AS (
    SELECT
        *,
        CAST(sum(durations) OVER ranks AS DOUBLE) AS duration_rank,
        CAST(sum(first_chunks) OVER ranks AS DOUBLE) AS first_chunk_rank,
        CAST(sum(paces) OVER ranks AS DOUBLE) AS pace_rank,
        CAST(sum(durations) OVER whole AS DOUBLE) AS all_durations,
        CAST(sum(first_chunks) OVER whole AS DOUBLE) AS all_first_chunks,
        CAST(sum(paces) OVER whole AS DOUBLE) AS all_paces
    FROM leveled
    WINDOW
        whole AS (PARTITION BY {names}, is_total),
        ranks AS (PARTITION BY {names}, is_total ORDER BY bucket ROWS UNBOUNDED PRECEDING)
),
grouped AS (
    SELECT
        {names},
        is_total,
        CAST(sum(calls) AS BIGINT) AS calls,
        CAST(sum(errors) AS BIGINT) AS errors,
        {percentiles}
    FROM ranked
    GROUP BY {names}, is_total
)
SELECT
    {output_names},
    * EXCLUDE ({names})
FROM grouped
ORDER BY is_total, {order} calls DESC, {names};
