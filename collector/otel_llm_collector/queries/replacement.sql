-- The calls of a model that have a price: that which answered, or that was asked for; a date after its name may be missing.
SELECT
    row_id,
    {counts},
    cost_usd AS billed_usd
FROM (SELECT * FROM llm_calls WHERE {where})
WHERE {filter}
    AND cost_usd IS NOT NULL
    AND (
        $model IN (model, request_model)
        -- the beginning first: few calls have to be looked at closely
        OR (starts_with(model, $model) AND $model = regexp_replace(model, '-(\d{8}|\d{4}-\d\d-\d\d)$', ''))
    );
