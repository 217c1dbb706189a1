-- What do the calls cost? One row a combination of the dimensions asked for, and one over all of them (is_total).
-- One look at all calls makes few rows, of which the rest is made: the sums, and what has no cost, and why.
WITH parts AS MATERIALIZED (
{parts}
),
sums AS (
    SELECT
        {names},
        grouping({first_name}) = 1 AS is_total,
{last_sums}
    FROM parts
    GROUP BY GROUPING SETS (({names}), ())
),
reasons AS (
    SELECT {names}, grouping({first_name}) = 1 AS is_total, reason, sum(calls)::BIGINT AS calls
    FROM parts
    WHERE is_unpriced
    GROUP BY GROUPING SETS (({names}, reason), (reason))
),
told AS (
    -- the most calls first: lists that are sorted take half the time of an ORDER BY for each
    SELECT
        {names},
        is_total,
        map_from_entries(
            list_transform(list_sort(list((-calls, reason))), lambda entry: (entry[2], -entry[1]))
        ) AS unpriced_reasons
    FROM reasons
    GROUP BY {names}, is_total
),
unknown AS (
    SELECT unknown_model, sum(calls)::BIGINT AS calls FROM parts WHERE unknown_model IS NOT NULL GROUP BY ALL
),
inexact AS (
    SELECT reason, sum(calls)::BIGINT AS calls FROM parts WHERE NOT is_unpriced AND reason IS NOT NULL GROUP BY ALL
),
explained AS (
    SELECT
        asked.*,
        unpriced_reasons,
        -- what stands under the answer is asked of all calls alone
        if(asked.is_total, (SELECT map_from_entries(list((unknown_model, calls))) FROM unknown), NULL) AS unknown_models,
        if(asked.is_total, (SELECT map_from_entries(list((reason, calls))) FROM inexact), NULL) AS inexact_reasons,
        round(cost_usd / (SELECT cost_usd FROM sums WHERE is_total), 6) AS share
    FROM sums AS asked
    LEFT JOIN told AS beside ON asked.is_total = beside.is_total AND ({matched_names})
)
SELECT
    {output_names},
    * EXCLUDE ({names})
FROM explained
ORDER BY is_total, {order} cost_usd DESC NULLS LAST, calls DESC, {names};
