-- What do these calls cost? One row a combination of the dimensions, and of what their cost is no figure for, and why.
SELECT
    {names},
    cost_usd IS NULL AS is_unpriced,
    CASE
        WHEN cost_usd IS NULL THEN coalesce(cost_status, 'no_status')
        WHEN usage_status = 'partial' THEN 'partial'
        WHEN cost_status <> 'exact' THEN cost_status
    END AS reason,
    if({no_price}, model, NULL) AS unknown_model,
{sums}
FROM {chosen_calls}
{grouped}
