-- Which time is at a quantile? As quantile_cont has it: between two calls, the first of the buckets that reach them.
round(
    min(ms) FILTER (WHERE {time}_rank > floor({quantile} * (all_{time}s - 1)))
    + ({quantile} * (any_value(all_{time}s) - 1)) % 1 * (
        min(ms) FILTER (WHERE {time}_rank > ceil({quantile} * (all_{time}s - 1)))
        - min(ms) FILTER (WHERE {time}_rank > floor({quantile} * (all_{time}s - 1)))
    ),
    {digits}
) AS {name}
