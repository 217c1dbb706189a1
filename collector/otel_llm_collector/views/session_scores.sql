-- One row a session and score name: what was given to the session itself, to its traces and to its calls. A score
-- counts for the session that it names, else for that of the call that it judges, else for that of its trace.
CREATE OR REPLACE VIEW session_scores AS
WITH by_call AS (
    SELECT score_row_id, any_value(session_id) AS session_id
    FROM scored_calls
    WHERE session_id IS NOT NULL
    GROUP BY score_row_id
),
by_trace AS (
    SELECT trace_id, arg_min(session_id, (start_time, start_time_ns)) AS session_id
    FROM spans
    WHERE session_id IS NOT NULL AND trace_id IN (SELECT trace_id FROM scores WHERE span_id IS NULL)
    GROUP BY trace_id
)
SELECT
    coalesce(scores.session_id, by_call.session_id, by_trace.session_id) AS session_id,
    scores.name AS score_name,
    count(*) AS scores,
    avg(scores.value) AS value_avg,
    min(scores.value) AS value_min,
    max(scores.value) AS value_max,
    mode(scores.label) AS label,
    min(scores.time) AS first_time,
    max(scores.time) AS last_time
FROM scores
LEFT JOIN by_call ON by_call.score_row_id = scores.row_id
LEFT JOIN by_trace ON by_trace.trace_id = scores.trace_id AND scores.span_id IS NULL
WHERE coalesce(scores.session_id, by_call.session_id, by_trace.session_id) IS NOT NULL
GROUP BY ALL;
