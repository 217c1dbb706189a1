-- One row a user; calls made on nobody's behalf are in none.
CREATE OR REPLACE VIEW users AS
SELECT
    user_id,
    min(start_time) AS first_time,
    max(start_time) AS last_time,
    count(DISTINCT session_id) AS sessions,
    count(DISTINCT trace_id) AS traces,
{call_sums}
FROM llm_calls
WHERE user_id IS NOT NULL
GROUP BY user_id;
