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
),
ranked AS (
    SELECT
        *,
        sum(durations) OVER ranks AS duration_rank,
        sum(first_chunks) OVER ranks AS first_chunk_rank,
        sum(paces) OVER ranks AS pace_rank,
        sum(durations) OVER whole AS all_durations,
        sum(first_chunks) OVER whole AS all_first_chunks,
        sum(paces) OVER whole AS all_paces
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
    UNION ALL BY NAME
    SELECT true AS is_total, 0::BIGINT AS calls, 0::BIGINT AS errors
    FROM parts
    HAVING count(*) = 0
)
SELECT
    {output_names},
    * EXCLUDE ({names})
FROM grouped
ORDER BY is_total, {order} calls DESC, {names};
