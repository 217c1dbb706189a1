-- The spans of one trace, in the order in which they began.
SELECT
    span_id,
    parent_span_id,
    name,
    operation,
    agent_name,
    model,
    status,
    error_type,
    start_time,
    start_time_ns,
    duration_ns,
    coalesce(clock_flag, '') NOT IN ('zero_time', 'out_of_range', 'end_out_of_range') AS is_sound,
    coalesce(is_llm_call, false) AS is_llm_call,
    input_tokens,
    output_tokens,
    cost_usd,
    cost_status,
    session_id,
    user_id,
    workflow_name
FROM spans
WHERE trace_id = $trace_id
ORDER BY start_time, start_time_ns, span_id;
