-- How long do these calls take? One row a combination of the dimensions and bucket of times.
SELECT
    {names},
    bucket,
{sums}
FROM {chosen_calls}
{grouped}
