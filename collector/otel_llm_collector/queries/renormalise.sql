-- What do the calls of a time add up to, by model?
SELECT
    model,
    count(*) AS calls,
    CAST(coalesce(sum(input_tokens), 0) + coalesce(sum(output_tokens), 0) AS BIGINT) AS tokens,
    coalesce(sum(cost_usd), 0) AS usd
FROM llm_calls
WHERE start_time >= $since AND start_time < $until
GROUP BY model;
