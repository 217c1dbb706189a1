-- What happened in each session? One row a session, the one with the newest call first, and one over all of them
-- (is_total). duration_s is from the first call's beginning to the last one's, busy_ms what its calls took together.
WITH calls AS NOT MATERIALIZED (
    FROM {chosen_calls} WHERE {first_name} IS NOT NULL
),
pairs AS MATERIALIZED (
    SELECT DISTINCT {names}, trace_id FROM calls WHERE trace_id IS NOT NULL
),
sessions AS (
    SELECT
        {names},
        arg_min(session_name, start_time) AS session_name,
        arg_min(user_id, start_time) AS user_id,
        min(start_time) AS first_time,
        max(start_time) AS last_time,
        sum(duration_ms) AS busy_ms,
{part_sums}
    FROM calls
    GROUP BY {names}
),
grouped AS (
    SELECT
        {names},
        grouping({first_name}) = 1 AS is_total,
        -- all sessions together are nobody's
        if(is_total, NULL, any_value(session_name)) AS session_name,
        if(is_total, NULL, any_value(user_id)) AS user_id,
        min(first_time) AS first_time,
        max(last_time) AS last_time,
        -- a trace may be of several sessions
        if(is_total, (SELECT count(DISTINCT trace_id) FROM pairs), coalesce(any_value(traces), 0)) AS traces,
        sum(busy_ms) AS busy_ms,
{last_sums}
    FROM sessions
    LEFT JOIN (SELECT {names}, count(*) AS traces FROM pairs GROUP BY {names}) USING ({names})
    GROUP BY GROUPING SETS (({names}), ())
)
SELECT
    {output_names},
    session_name,
    user_id,
    first_time,
    calls,
    errors,
    traces,
    round(epoch(last_time) - epoch(first_time), 3) AS duration_s,
    round(busy_ms, 3) AS busy_ms,
    input_tokens,
    output_tokens,
    cost_usd,
    unpriced_calls,
    is_total
FROM grouped
ORDER BY is_total, last_time DESC, {names};
