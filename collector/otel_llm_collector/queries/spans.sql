-- All spans of a time, or where calls are chosen those of their traces; each with its content as _message.
SELECT chosen.*, said._message
FROM (
    SELECT *
    FROM spans
    WHERE span_id IS NOT NULL AND trace_id IS NOT NULL
    AND {which}
) AS chosen
LEFT JOIN (
    SELECT
        row_id,
        date,
        {
            attributes: attributes,
            attribute_types: attribute_types,
            input_messages: input_messages,
            output_messages: output_messages,
            system_instructions: system_instructions,
            tool_definitions: tool_definitions
        } AS _message
    FROM messages
) AS said ON said.row_id = chosen.row_id AND said.date = chosen.date
ORDER BY chosen.date, chosen.trace_id, chosen.start_time_ns, chosen.span_id;
