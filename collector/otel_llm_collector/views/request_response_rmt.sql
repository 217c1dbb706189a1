-- The counted calls under Helicone's column names, so that HQL queries run here: one row a request, cost in whole
-- nano-dollars as there (cost / 1e9 is USD; exact figures are in llm_calls). Functions of ClickHouse that HQL uses are
-- macros here: toStartOfHour, toStartOfDay, toStartOfWeek, toStartOfMonth, toDate, toHour, uniq, mapKeys, mapValues,
-- has, notEmpty, empty; countIf and the like are DuckDB's own. `otel-llm sql`, Python and POST /v1/sql know more of them,
-- also quantile(0.95)(latency), quantiles, topK, any, groupArray(DISTINCT model), has(properties, 'name'), lagInFrame and
-- leadInFrame (NULL where there is no such row), position, startsWith, match, replaceAll, toInt32, addDays and their
-- like, JSONExtractInt (NULL where there is none), arrayJoin, formatDateTime, PREWHERE, LIMIT 2 BY model and LIMIT 5, 10,
-- and say what to write instead of WITH TOTALS, WITH FILL or ARRAY JOIN; a DuckDB of your own does not.
CREATE OR REPLACE MACRO toStartOfHour(moment) AS date_trunc('hour', moment);
CREATE OR REPLACE MACRO toStartOfDay(moment) AS date_trunc('day', moment);
CREATE OR REPLACE MACRO toStartOfWeek
    (moment) AS date_trunc('week', moment + INTERVAL 1 DAY) - INTERVAL 1 DAY,
    (moment, mode) AS if(mode % 2 = 1, date_trunc('week', moment), toStartOfWeek(moment));
CREATE OR REPLACE MACRO toStartOfMonth(moment) AS date_trunc('month', moment);
CREATE OR REPLACE MACRO toDate(moment) AS CAST(moment AS DATE);
CREATE OR REPLACE MACRO toHour(moment) AS hour(moment);
CREATE OR REPLACE MACRO uniq(value) AS count(DISTINCT value);
CREATE OR REPLACE MACRO sumIf(value, condition) AS sum(value) FILTER (WHERE condition);
CREATE OR REPLACE MACRO avgIf(value, condition) AS avg(value) FILTER (WHERE condition);
CREATE OR REPLACE MACRO mapKeys(pairs) AS map_keys(pairs);
CREATE OR REPLACE MACRO mapValues(pairs) AS map_values(pairs);
CREATE OR REPLACE MACRO has(items, item) AS list_contains(items, item);
CREATE OR REPLACE MACRO notEmpty(value) AS coalesce(length(value), 0) > 0;
CREATE OR REPLACE MACRO empty(value) AS coalesce(length(value), 0) = 0;
CREATE OR REPLACE VIEW request_response_rmt AS
SELECT
    row_id AS request_id,
    response_id,
    user_id,
    coalesce(tenant, '') AS organization_id,
    CAST(NULL AS VARCHAR) AS proxy_key_id,
    start_time AS request_created_at,
    TRY(start_time + to_microseconds(duration_ns // 1000)) AS response_created_at,
    TRY(start_time + to_microseconds(duration_ns // 1000)) AS updated_at,
    CAST(round(duration_ms) AS BIGINT) AS latency,
    CAST(round(time_to_first_chunk_ms) AS BIGINT) AS time_to_first_token,
    model,
    request_model,
    provider,
    llm_calls.attributes['server.address'] AS target_url,
    input_tokens AS prompt_tokens,
    output_tokens AS completion_tokens,
    TRY(coalesce(input_tokens, 0) + coalesce(output_tokens, 0)) AS total_tokens,
    cache_write_tokens AS prompt_cache_write_tokens,
    cache_read_tokens AS prompt_cache_read_tokens,
    audio_input_tokens AS prompt_audio_tokens,
    audio_output_tokens AS completion_audio_tokens,
    reasoning_tokens,
    coalesce(http_status, if(status = 'ERROR', 500, 200)) AS status,
    CAST(round(CAST(cost_usd AS DECIMAL(38, 12)) * 1000000000) AS BIGINT) AS cost,
    cost_usd AS provider_total_cost,
    CAST(NULL AS BOOLEAN) AS threat,
    false AS cache_enabled,
    CAST(NULL AS VARCHAR) AS cache_reference_id,
    CAST(NULL AS VARCHAR) AS country_code,
    CAST(NULL AS VARCHAR) AS request_referrer,
    map_concat(
        properties,
        map_from_entries(
            list_filter(
                [
                    ('Helicone-Session-Id', session_id),
                    ('Helicone-Session-Name', session_name),
                    ('Helicone-Session-Path', session_path),
                    ('Helicone-Prompt-Id', prompt_name)
                ],
                lambda pair: pair[2] IS NOT NULL
            )
        )
    ) AS properties,
    scored.scores,
    prompt_name AS prompt_id,
    prompt_version,
    messages.input_messages AS request_body,
    messages.output_messages AS response_body
FROM llm_calls
LEFT JOIN messages USING (row_id, date)
LEFT JOIN (
    SELECT scored.row_id, map_from_entries(list((scored.score_name, scored.value))) AS scores
    FROM (SELECT row_id, score_name, avg(score_value) AS value FROM scored_calls GROUP BY ALL) AS scored
    GROUP BY scored.row_id
) AS scored USING (row_id);
