    SELECT
        {names},
        grouping({first_name}) = 1 AS is_total,
        quantile_cont(duration_ms, [0.5, 0.95]) AS took
    FROM calls
    GROUP BY GROUPING SETS (({names}), ())
