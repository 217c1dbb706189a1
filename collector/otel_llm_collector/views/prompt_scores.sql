-- One row a version of a prompt and score name: what the calls made with it were given.
CREATE OR REPLACE VIEW prompt_scores AS
SELECT
    prompt_name,
    prompt_version,
    score_name,
    count(*) AS scores,
    count(DISTINCT row_id) AS calls,
    avg(score_value) AS value_avg,
    min(score_value) AS value_min,
    max(score_value) AS value_max,
    mode(score_label) AS label,
    min(score_time) AS first_time,
    max(score_time) AS last_time
FROM scored_calls
WHERE prompt_name IS NOT NULL
GROUP BY prompt_name, prompt_version, score_name;
