-- Plain DuckDB over the Parquet that a collector writes: nothing of otel-llm is installed or loaded.
--
--     duckdb < examples/duckdb_queries.sql          in the folder that holds otel-llm-data/
--
-- `spans` is one row a span; DISTINCT ON because for ten minutes after files were merged, the old ones lie beside the
-- new one and a glob reads both. `calls` are the model calls that count: their cost_usd adds up to the bill, exactly.
CREATE TEMP VIEW spans AS
SELECT DISTINCT ON (row_id) *
FROM read_parquet('otel-llm-data/spans/date=*/*.parquet', hive_partitioning = true, union_by_name = true);

CREATE TEMP VIEW calls AS
SELECT *, coalesce(response_model, request_model) AS model FROM spans WHERE is_llm_call;

-- What does each model cost?
SELECT model, count(*) AS calls, sum(input_tokens) AS input, sum(output_tokens) AS output, sum(cost_usd) AS cost_usd
FROM calls GROUP BY model ORDER BY cost_usd DESC NULLS LAST;

-- And each user, and what is that a day?
SELECT user_id, date, count(*) AS calls, sum(cost_usd) AS cost_usd
FROM calls GROUP BY ALL ORDER BY cost_usd DESC NULLS LAST LIMIT 20;

-- Which departments spend it? (a property: any key that an application sets is one)
SELECT properties['department'] AS department, sum(cost_usd) AS cost_usd, count(*) AS calls
FROM calls GROUP BY ALL ORDER BY cost_usd DESC NULLS LAST;

-- What does each agent cost, a run on average?
SELECT agent_name, count(DISTINCT trace_id) AS runs, sum(cost_usd) AS cost_usd,
       round(sum(cost_usd) / count(DISTINCT trace_id), 6) AS cost_usd_a_run
FROM calls WHERE agent_name IS NOT NULL GROUP BY agent_name ORDER BY cost_usd DESC NULLS LAST;

-- Did the new version of a prompt make it dearer?
SELECT prompt_name, prompt_version, count(*) AS calls, avg(output_tokens)::INTEGER AS output_avg,
       round(sum(cost_usd) / count(cost_usd), 6) AS cost_usd_a_call
FROM calls WHERE prompt_name IS NOT NULL GROUP BY ALL ORDER BY ALL;

-- How long do people wait? (milliseconds; to the end of the answer and, where it is streamed, to its first chunk)
SELECT model, count(*) AS calls,
       round(quantile_cont(duration_ns / 1e6, 0.5), 1) AS p50_ms,
       round(quantile_cont(duration_ns / 1e6, 0.95), 1) AS p95_ms,
       round(quantile_cont(time_to_first_chunk_ns / 1e6, 0.5), 1) AS first_chunk_p50_ms,
       round(quantile_cont(time_to_first_chunk_ns / 1e6, 0.95), 1) AS first_chunk_p95_ms
FROM calls GROUP BY model ORDER BY p95_ms DESC;

-- Which traces cost most? (the id is the one that Jaeger shows)
SELECT trace_id, any_value(coalesce(workflow_name, service_name)) AS what, count(*) AS calls, sum(cost_usd) AS cost_usd
FROM calls GROUP BY trace_id ORDER BY cost_usd DESC NULLS LAST LIMIT 10;

-- What did prompt caching save? (the uncached rate is taken from the same model's own calls)
WITH rates AS (
    SELECT model, sum(cost_input_usd) / nullif(sum(input_tokens - coalesce(cache_read_tokens, 0)
           - coalesce(cache_write_tokens, 0)) FILTER (WHERE cost_input_usd IS NOT NULL), 0) AS usd_a_token
    FROM calls GROUP BY model
)
SELECT model, sum(cache_read_tokens) AS cached, sum(cost_cache_read_usd) AS paid_usd,
       round(sum(cache_read_tokens) * any_value(usd_a_token) - sum(cost_cache_read_usd), 6) AS saved_usd
FROM calls JOIN rates USING (model) WHERE cache_read_tokens > 0 GROUP BY model ORDER BY saved_usd DESC;

-- What failed, and what has no price?
SELECT model, status, error_type, http_status, cost_status, count(*) AS calls, max(attempts) AS attempts_max
FROM calls WHERE status = 'ERROR' OR cost_usd IS NULL OR attempts > 1 GROUP BY ALL ORDER BY calls DESC, model;
