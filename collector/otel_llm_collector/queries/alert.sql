-- What is the value that a rule watches, in each of some windows? One row a window and combination of the dimensions.
-- A call belongs to the window in which it ended. A window without calls has a row only where nothing is grouped by.
WITH windows AS (
    SELECT unnest($numbers) AS number, unnest($since) AS since, unnest($until) AS until
),
calls AS (
    SELECT *, {ended} AS ended{by}
    FROM (SELECT * FROM {source} WHERE {where})
    WHERE date IN ({dates})
)
SELECT windows.number{names}, {value} AS value, {volume} AS calls
FROM windows
LEFT JOIN calls ON ended >= since AND ended < until
GROUP BY windows.number{names}
HAVING count(ended) > 0 OR {is_whole};
