-- What do the calls cost? One row a combination of the dimensions asked for, and one over all of them (is_total).
-- One look at all calls makes few rows, of which the rest is made: what a cost is no figure for, and why.
WITH parts AS (
{parts}
),
leveled AS (
    SELECT
        {names},
        grouping({first_name}) = 1 AS is_total,
        is_unpriced,
        reason,
        unknown_model,
{sums_of_parts}
    FROM parts
    GROUP BY GROUPING SETS (({names}, is_unpriced, reason, unknown_model), (is_unpriced, reason, unknown_model))
),
reasoned AS (
    SELECT
        {names},
        is_total,
        is_unpriced,
        reason,
{sums_of_parts},
        list((unknown_model, calls::BIGINT)) FILTER (WHERE unknown_model IS NOT NULL) AS unknown_models
    FROM leveled
    GROUP BY {names}, is_total, is_unpriced, reason
),
grouped AS (
    SELECT
        {names},
        is_total,
{last_sums},
        map_from_entries(list((reason, calls::BIGINT)) FILTER (WHERE is_unpriced)) AS unpriced_reasons,
        map_from_entries(any_value(unknown_models)) AS unknown_models,
        map_from_entries(list((reason, calls::BIGINT)) FILTER (WHERE NOT is_unpriced AND reason IS NOT NULL)) AS inexact_reasons
    FROM reasoned
    GROUP BY {names}, is_total
    UNION ALL BY NAME
    SELECT
        true AS is_total,
{last_sums}
    FROM parts
    HAVING count(*) = 0
)
SELECT
    {output_names},
    * EXCLUDE ({names}),
    round(cost_usd / (SELECT cost_usd FROM grouped WHERE is_total), 6) AS share
FROM grouped
ORDER BY is_total, {order} cost_usd DESC NULLS LAST, calls DESC, {names};
