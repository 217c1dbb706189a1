-- The counted calls with all that their price depends on.
SELECT
    row_id,
    date,
    trace_id,
    epoch_ns(start_time) // 1000000000 AS start_s,
    start_time,
    provider,
    response_model,
    request_model,
    deployed_model,
    coalesce(response_model, request_model) AS model,
    usage_status,
    cost_usd AS billed_usd,
    cost_status,
    emitted_cost_usd,
    emitted_cost_source,
    {counts},
    service_tier,
    inference_place AS place,
    advisor_model,
    coalesce(attributes['server.address'], '') AS endpoint,
    properties
FROM (SELECT * FROM llm_calls WHERE {where})
WHERE {filter}
ORDER BY date, row_id;
