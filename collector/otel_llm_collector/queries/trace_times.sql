-- How long is each of these traces on, and with what? One row a trace that has a call: timed_calls (whose network is
-- known), total_ns, and of that model_ns, network_ns (NULL where it is known of no span), waiting_ns and services_ns; the
-- rest is own code, for as long as any span lasts. Each moment counts once: for the model while one is at work, however
-- many at once; else for the network; for a wait before another attempt; for a service that a span of kind CLIENT asks.
--
-- What of a call is network is known where the provider says how long it took, or where the server that was asked has a
-- span below (served): the rest until the first chunk, or the end, is network, from the beginning on. Where it is not
-- known it is counted for the model.
WITH served AS (
    SELECT trace_id, parent_span_id AS span_id, max(duration_ns) AS server_time
    FROM {spans}
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
    FROM {spans}
    LEFT JOIN served USING (trace_id, span_id)
),
spells AS (
    SELECT
        trace_id,
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
    HAVING bool_or(is_llm_call) AND bool_or(part <> 'own')
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
    trace_id,
    timed_calls,
    total AS total_ns,
    to_models AS model_ns,
    if(knows_network, to_networks - to_models, NULL) AS network_ns,
    to_waits - to_networks AS waiting_ns,
    to_services - to_waits AS services_ns
FROM split
