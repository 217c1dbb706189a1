-- Who uses how much? One row a user, the dearest first, and one over all of them (is_total); calls made on nobody's
-- behalf are a row of their own. active_days are days with a call, usd_per_call is of the calls that have a price,
-- input_per_call of those that tell their input.
WITH grouped AS (
    SELECT
        {names},
        grouping({first_name}) = 1 AS is_total,
        count(DISTINCT session_id) AS sessions,
        count(DISTINCT {day}) AS active_days,
        min(start_time) AS first_time,
        max(start_time) AS last_time,
        count(*) FILTER (WHERE input_tokens < 1e12) AS input_calls,
{call_sums}
    FROM {chosen_calls}
    GROUP BY GROUPING SETS (({names}), ())
)
SELECT
    {output_names},
    calls,
    errors,
    sessions,
    active_days,
    input_tokens,
    output_tokens,
    cost_usd,
    round(cost_usd / nullif(calls - unpriced_calls, 0), 6) AS usd_per_call,
    round(input_tokens / nullif(input_calls, 0)) AS input_per_call,
    round(cost_usd / (SELECT cost_usd FROM grouped WHERE is_total), 6) AS share,
    first_time,
    last_time,
    unpriced_calls,
    is_total
FROM grouped
ORDER BY is_total, {order} cost_usd DESC NULLS LAST, calls DESC, {names};
