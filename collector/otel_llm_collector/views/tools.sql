-- One row a tool and service, of the spans that ran one (execute_tool, or with a tool's name and no call of a model).
CREATE OR REPLACE VIEW tools AS
SELECT
    tool_name,
    service_name,
    min(start_time) AS first_time,
    max(start_time) AS last_time,
    count(*) AS runs,
    count(*) FILTER (WHERE status = 'ERROR') AS errors,
    count(DISTINCT trace_id) AS traces,
    count(DISTINCT agent_name) AS agents,
    quantile_cont(duration_ms, 0.5) AS duration_p50_ms,
    quantile_cont(duration_ms, 0.95) AS duration_p95_ms,
    sum(duration_ms) AS duration_ms
FROM spans
WHERE tool_name IS NOT NULL AND NOT coalesce(is_llm_call, false)
GROUP BY tool_name, service_name;
