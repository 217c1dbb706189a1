-- One row a model at a provider, with how long its calls took.
CREATE OR REPLACE VIEW models AS
SELECT
    provider,
    model,
    min(start_time) AS first_time,
    max(start_time) AS last_time,
    quantile_cont(duration_ms, 0.5) AS duration_p50_ms,
    quantile_cont(duration_ms, 0.95) AS duration_p95_ms,
{call_sums}
FROM llm_calls
GROUP BY provider, model;
