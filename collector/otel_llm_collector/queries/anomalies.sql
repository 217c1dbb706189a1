-- What did each day look like, for the values of one dimension that cost most? One row a value and day with calls.
WITH daily AS (
    SELECT
        {by} AS value,
        {day} AS day,
        count(*) AS calls,
        count(*) FILTER (WHERE status = 'ERROR') AS errors,
        count(cost_usd) AS priced,
        coalesce(CAST(sum(cost_usd) AS DOUBLE), 0) AS cost_usd,
        count(input_tokens) AS told,
        coalesce(sum(input_tokens) FILTER (WHERE input_tokens < 1e12), 0) AS input_tokens,
        coalesce(sum(output_tokens) FILTER (WHERE output_tokens < 1e12), 0) AS output_tokens,
        quantile_cont(duration_ms, 0.95) AS p95_ms
    FROM (SELECT * FROM llm_calls WHERE {where})
    WHERE {filter} AND {by} IS NOT NULL
    GROUP BY ALL
),
dearest AS (
    SELECT value
    FROM daily
    GROUP BY value
    ORDER BY sum(cost_usd) DESC, sum(calls) DESC, value
    LIMIT 50
)
SELECT daily.*
FROM daily
JOIN dearest USING (value)
ORDER BY value, day;
