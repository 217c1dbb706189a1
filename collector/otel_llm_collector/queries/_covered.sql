-- How long is at least one of these on? From the first beginning to the last end but for the gaps: one is where the next
-- beginning, of all in order, comes later than as many ends. NULL where there is none.
{level}_end[-1] - {level}_begin[1] - coalesce(
    list_sum(list_transform(list_zip({level}_begin[2:], {level}_end[:-2]), lambda gap: greatest(0, gap[1] - gap[2]))), 0
)
