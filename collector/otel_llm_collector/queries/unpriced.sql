-- Which calls have no price, and why? One row a provider, model and reason, those that hide most first.
SELECT
    provider,
    model,
    cost_status AS reason,
    count(*) AS calls,
    sum(input_tokens) AS input_tokens,
    sum(output_tokens) AS output_tokens,
    min(start_time) AS first_call,
    max(start_time) AS last_call
FROM (SELECT * FROM llm_calls WHERE {where})
WHERE cost_usd IS NULL AND {filter}
GROUP BY ALL
ORDER BY calls DESC, provider, model, reason;
