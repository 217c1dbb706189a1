-- One row a score of a call, found by its span, or by the provider's id of its response: score_* and the call's columns.
CREATE OR REPLACE VIEW scored_calls AS
WITH given AS (
    SELECT
        row_id AS score_row_id,
        name AS score_name,
        value AS score_value,
        label AS score_label,
        explanation AS score_explanation,
        time AS score_time,
        trace_id AS judged_trace_id,
        span_id AS judged_span_id,
        response_id AS judged_response_id
    FROM scores
)
SELECT given.* EXCLUDE (judged_trace_id, judged_span_id, judged_response_id), llm_calls.*
FROM given
JOIN llm_calls ON trace_id = judged_trace_id AND span_id = judged_span_id
UNION ALL
SELECT given.* EXCLUDE (judged_trace_id, judged_span_id, judged_response_id), llm_calls.*
FROM given
JOIN llm_calls ON span_id = judged_span_id
WHERE judged_trace_id IS NULL
UNION ALL
SELECT given.* EXCLUDE (judged_trace_id, judged_span_id, judged_response_id), llm_calls.*
FROM given
JOIN llm_calls ON response_id = judged_response_id
WHERE judged_span_id IS NULL;
