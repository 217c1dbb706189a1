-- One row a score of a call, found by its span or by the provider's id of its response: score_* and the call's columns.
CREATE OR REPLACE VIEW scored_calls AS
SELECT
    scores.name AS score_name,
    scores.value AS score_value,
    scores.label AS score_label,
    scores.explanation AS score_explanation,
    scores.time AS score_time,
    llm_calls.*
FROM scores
JOIN llm_calls ON llm_calls.trace_id = scores.trace_id AND llm_calls.span_id = scores.span_id
UNION ALL
SELECT scores.name, scores.value, scores.label, scores.explanation, scores.time, llm_calls.*
FROM scores
JOIN llm_calls ON llm_calls.response_id = scores.response_id
WHERE scores.span_id IS NULL;
