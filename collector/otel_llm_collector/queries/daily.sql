-- What did the calls cost each day, by the time zone of the connection? Days without a call are in none.
SELECT
    CAST(start_time AS DATE) AS day,
    sum(cost_usd) AS cost_usd
FROM (SELECT * FROM llm_calls WHERE {where})
WHERE {filter}
GROUP BY day
ORDER BY day;
