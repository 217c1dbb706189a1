-- One row a failed span of any kind, the calls of models among them, with what is said of the failure.
CREATE OR REPLACE VIEW errors AS
SELECT
    start_time,
    date,
    coalesce(error_type, 'unknown') AS error_type,
    status_message,
    http_status,
    attempts,
    name,
    operation,
    coalesce(is_llm_call, false) AS is_llm_call,
    provider,
    model,
    tool_name,
    agent_name,
    prompt_name,
    prompt_version,
    user_id,
    session_id,
    service_name,
    environment,
    duration_ms,
    input_tokens,
    output_tokens,
    cost_usd,
    cost_status,
    trace_id,
    span_id,
    row_id,
    properties
FROM spans
WHERE status = 'ERROR';
