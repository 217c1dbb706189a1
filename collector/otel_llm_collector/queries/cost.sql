-- What do the calls cost? One row a combination of the dimensions asked for, and one over all of them (is_total).
WITH grouped AS (
    SELECT
        {names},
        grouping({first_name}) = 1 AS is_total,
{call_sums},
        histogram(coalesce(cost_status, 'no_status')) FILTER (WHERE cost_usd IS NULL) AS unpriced_reasons,
        histogram(model) FILTER (WHERE cost_usd IS NULL AND cost_status = 'unknown_model') AS unknown_models,
        histogram(if(usage_status = 'partial', 'partial', cost_status))
            FILTER (WHERE cost_usd IS NOT NULL AND (usage_status = 'partial' OR cost_status <> 'exact'))
            AS inexact_reasons
    FROM (SELECT *, {by} FROM (SELECT * FROM llm_calls WHERE {where}) WHERE {filter})
    GROUP BY GROUPING SETS (({names}), ())
)
SELECT
    {output_names},
    * EXCLUDE ({names}),
    round(cost_usd / (SELECT cost_usd FROM grouped WHERE is_total), 6) AS share
FROM grouped
ORDER BY is_total, {order} cost_usd DESC NULLS LAST, calls DESC, {names};
