-- What do the calls of a time add up to, by model? NULL USD where none of them has a price.
SELECT
    model,
    count(*) AS calls,
    CAST(coalesce(sum(input_tokens), 0) + coalesce(sum(output_tokens), 0) AS BIGINT) AS tokens,
    sum(cost_usd) AS usd
FROM llm_calls
WHERE start_time >= $since AND start_time < $until
GROUP BY model;
