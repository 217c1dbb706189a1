-- One row a version of a prompt; calls without a named prompt are in none.
CREATE OR REPLACE VIEW prompts AS
SELECT
    prompt_name,
    prompt_version,
    min(start_time) AS first_time,
    max(start_time) AS last_time,
    quantile_cont(duration_ms, 0.5) AS duration_p50_ms,
    quantile_cont(duration_ms, 0.95) AS duration_p95_ms,
{call_sums}
FROM llm_calls
WHERE prompt_name IS NOT NULL
GROUP BY prompt_name, prompt_version;
