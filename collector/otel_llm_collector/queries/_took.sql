-- How long did the calls take, at the middle and at the end that hurts? A row a combination, and one over all of them.
    SELECT
        {names},
        grouping({first_name}) = 1 AS is_total,
        quantile_cont(duration_ms, [0.5, 0.95]) AS took
    FROM calls
    GROUP BY GROUPING SETS (({names}), ())
