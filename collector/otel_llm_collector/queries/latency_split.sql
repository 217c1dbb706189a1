-- Where does the time of whole traces go: to the model, the network, waits between attempts, other services, own code? One
-- row a combination of the dimensions asked for, which are those of a trace's first call, the busiest first, and one over
-- all of them (is_total). *_ms are a trace's means and add up to total_ms. Each moment counts once: for the model while
-- one is at work, however many at once; else for the network; for a wait before another attempt; for a service that a
-- span of kind CLIENT asks; for own code as long as any span lasts.
--
-- What of a call is network is known where the provider says how long it took, or where the server that was asked has a
-- span below (timed_calls): the rest until the first chunk, or the end, is network, from the beginning on. Where it is not
-- known it is counted for the model, and network_ms is NULL where it is known of no span.
WITH served AS (
    SELECT trace_id, parent_span_id AS span_id, max(duration_ns) AS server_time
    FROM spans
    WHERE kind = 'SERVER'
        AND parent_span_id IS NOT NULL
        AND duration_ns >= 0
        AND clock_flag IS NULL
    GROUP BY ALL
),
timed AS (
    SELECT
        *,
        CASE
            WHEN coalesce(duration_ns, -1) < 0 OR clock_flag IS NOT NULL THEN NULL
            WHEN is_llm_call THEN 'call'
            WHEN kind = 'CLIENT' AND not_counted_reason IS NULL THEN if(server_time IS NULL, 'service', 'served')
            ELSE 'own'
        END AS part,
        start_time_ns AS began,
        -- the last moment of a BIGINT stands for those after it
        least(greatest(duration_ns, 0), 9223372036854775807 - greatest(began, 0)) AS took,
        began + took AS ended,
        TRY_CAST(1e9 * TRY_CAST(attributes['otel_llm.retry.wait'] AS DOUBLE) AS BIGINT) AS wait_told,
        TRY_CAST(1e9 * TRY_CAST(attributes['otel_llm.provider.time'] AS DOUBLE) AS BIGINT) AS time_told,
        if(wait_told > 0, least(wait_told, took), 0) AS waited,
        began + waited AS asked,
        CASE
            WHEN part = 'call' AND time_told >= 0
                THEN least(coalesce(time_to_first_chunk_ns, took - waited), took - waited)::HUGEINT - time_told
            WHEN server_time IS NOT NULL AND part IN ('call', 'served') THEN took - waited - server_time
        END AS other_time,
        if(other_time IS NULL, NULL, CAST(greatest(0, other_time) AS BIGINT)) AS network
    FROM {spans_of_traces}
    LEFT JOIN served USING (trace_id, span_id)
),
spells AS (
    SELECT
        trace_id,
        {first_of_names},
        count(*) FILTER (WHERE is_chosen) AS calls,
        count(network) FILTER (WHERE part = 'call') AS timed_calls,
        count(network) > 0 AS knows_network,
        list(asked + coalesce(network, 0)) FILTER (WHERE part = 'call') AS models_begin,
        list(ended) FILTER (WHERE part = 'call') AS models_end,
        list(asked) FILTER (WHERE network > 0) AS networks_begin,
        list(asked + network) FILTER (WHERE network > 0) AS networks_end,
        list(began) FILTER (WHERE part = 'call' AND asked > began) AS waits_begin,
        list(asked) FILTER (WHERE part = 'call' AND asked > began) AS waits_end,
        list(began) FILTER (WHERE part = 'service') AS services_begin,
        list(ended) FILTER (WHERE part = 'service') AS services_end,
        list(began) FILTER (WHERE part IS NOT NULL) AS all_begin,
        list(ended) FILTER (WHERE part IS NOT NULL) AS all_end,
        max(took) FILTER (WHERE part IS NOT NULL) AS longest
    FROM timed
    WHERE trace_id IS NOT NULL
    GROUP BY trace_id
    HAVING calls > 0 AND bool_or(part <> 'own')
),
levels AS (
    -- a part with those that go before it, in order; NULL where the trace has nothing of it
    SELECT
        *,
        list_sort(models_begin) AS to_models_begin,
        list_sort(models_end) AS to_models_end,
        if(networks_begin IS NULL, NULL, list_sort(list_concat(models_begin, networks_begin))) AS to_networks_begin,
        if(networks_begin IS NULL, NULL, list_sort(list_concat(models_end, networks_end))) AS to_networks_end,
        if(waits_begin IS NULL, NULL, list_sort(list_concat(models_begin, networks_begin, waits_begin)))
            AS to_waits_begin,
        if(waits_begin IS NULL, NULL, list_sort(list_concat(models_end, networks_end, waits_end))) AS to_waits_end,
        if(
            services_begin IS NULL,
            NULL,
            list_sort(list_concat(models_begin, networks_begin, waits_begin, services_begin))
        ) AS to_services_begin,
        if(services_begin IS NULL, NULL, list_sort(list_concat(models_end, networks_end, waits_end, services_end)))
            AS to_services_end,
        list_max(all_end) - list_min(all_begin) = longest AS is_inside_one,
        if(is_inside_one, NULL, list_sort(all_begin)) AS to_own_begin,
        if(is_inside_one, NULL, list_sort(all_end)) AS to_own_end
    FROM spells
),
covered AS (
    SELECT
        *,
        {to_models_covered} AS models,
        {to_networks_covered} AS networks,
        {to_waits_covered} AS waits,
        {to_services_covered} AS services,
        {to_own_covered} AS own
    FROM levels
),
split AS (
    SELECT
        *,
        coalesce(models, 0) AS to_models,
        coalesce(networks, to_models) AS to_networks,
        coalesce(waits, to_networks) AS to_waits,
        coalesce(services, to_waits) AS to_services,
        coalesce(own, longest) AS total
    FROM covered
)
SELECT
    {output_names},
    count(*) AS traces,
    CAST(sum(calls) AS BIGINT) AS calls,
    CAST(sum(timed_calls) AS BIGINT) AS timed_calls,
    round(avg(total) / 1e6, 3) AS total_ms,
    round(avg(to_models) / 1e6, 3) AS model_ms,
    CASE WHEN bool_or(knows_network) THEN round(avg(to_networks - to_models) / 1e6, 3) END AS network_ms,
    round(avg(to_waits - to_networks) / 1e6, 3) AS waiting_ms,
    round(avg(to_services - to_waits) / 1e6, 3) AS services_ms,
    round(avg(total - to_services) / 1e6, 3) AS own_ms,
    grouping({first_name}) = 1 AS is_total
FROM split
GROUP BY GROUPING SETS (({names}), ())
ORDER BY is_total, {order} traces DESC, {names};
