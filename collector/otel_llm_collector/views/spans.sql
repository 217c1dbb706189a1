-- Every span, one row each: the columns of the lake, and three that are convenient to ask for. A call that another
-- span continues (one of ours, inside somebody else's span of the same call) is counted there: here it is no call.
CREATE OR REPLACE VIEW spans AS
SELECT
    sent.* REPLACE (
        sent.is_llm_call AND continued.span_id IS NULL AS is_llm_call,
        if(continued.span_id IS NULL, sent.not_counted_reason, 'continued') AS not_counted_reason,
        if(continued.span_id IS NULL, sent.cost_usd, NULL) AS cost_usd,
        if(continued.span_id IS NULL, sent.cost_status, 'not_counted') AS cost_status
    ),
    coalesce(response_model, request_model) AS model,
    duration_ns / 1e6 AS duration_ms,
    time_to_first_chunk_ns / 1e6 AS time_to_first_chunk_ms
FROM ({source}) AS sent
LEFT JOIN (
    SELECT DISTINCT trace_id, continues AS span_id FROM ({source}) WHERE continues IS NOT NULL AND is_llm_call
) AS continued ON continued.trace_id = sent.trace_id AND continued.span_id = sent.span_id;
