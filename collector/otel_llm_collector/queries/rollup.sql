-- What do these calls add up to? One row a combination of the dimensions of a cube.
SELECT
    '{cube}' AS cube,
    '{grain}' AS grain,
    date_trunc('{grain}', start_time) AS start_time,
    {dimensions},
{sums}
FROM {calls}
GROUP BY ALL
