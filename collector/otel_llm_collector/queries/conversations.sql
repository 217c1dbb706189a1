-- What was said in the chosen calls, whether their scores are high enough, and whether the answer is a whole one.
SELECT
    calls.row_id,
    calls.status = 'ERROR' OR calls.error_type IS NOT NULL AS is_failed,
    list_has_any(coalesce(calls.finish_reasons, []), ['length', 'max_tokens', 'MAX_TOKENS', 'content_filter', 'SAFETY'])
        AS is_cut,
    calls.attributes['{truncated}'] IS NOT NULL AS is_truncated,
    {is_worthy} AS is_worthy,
    messages.input_messages,
    messages.output_messages,
    messages.system_instructions,
    messages.tool_definitions
FROM (SELECT * FROM (SELECT * FROM llm_calls WHERE {where}) WHERE {filter}) AS calls
LEFT JOIN messages ON messages.row_id = calls.row_id AND messages.date = calls.date
ORDER BY calls.start_time, calls.row_id;
