-- What did the calls of two times cost, by model? One row a combination of the dimensions asked for, model and time.
SELECT
    {output_names},
    start_time >= $middle AS is_now,
    provider AS cell_provider,
    model AS cell_model,
    count(*) AS calls,
    count(*) FILTER (WHERE cost_usd IS NULL) AS unpriced_calls,
    coalesce(sum(input_tokens) FILTER (WHERE cost_usd IS NOT NULL AND input_tokens < 1e12), 0)
        + coalesce(sum(output_tokens) FILTER (WHERE cost_usd IS NOT NULL AND output_tokens < 1e12), 0) AS tokens,
    coalesce(sum(cost_usd), 0) AS cost_usd
FROM {chosen_calls}
GROUP BY ALL;
