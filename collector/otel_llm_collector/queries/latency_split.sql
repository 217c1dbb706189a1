-- Where does the time of whole traces go: to the model, the network, waits between attempts, other services, own code? One
-- row a combination of the dimensions asked for, which are those of a trace's first call, the busiest first, and one over
-- all of them (is_total). *_ms are a trace's means and add up to total_ms. Each moment counts once: for the model while
-- one is at work, however many at once; else for the network; for a wait before another attempt; for a service that a
-- span of kind CLIENT asks; for own code as long as any span lasts.
--
-- What of a call is network is known where the provider says how long it took, or where the server that was asked has a
-- span below (timed_calls): the rest until the first chunk, or the end, is network, from the beginning on. Where it is not
-- known it is counted for the model, and network_ms is NULL where it is known of no span.
WITH calls AS (
    FROM {chosen_calls} WHERE trace_id IS NOT NULL
),
chosen AS (
    SELECT trace_id, {first_of_names}, count(*) AS calls
    FROM calls
    GROUP BY trace_id
),
timed AS MATERIALIZED (
    SELECT
        trace_id,
        span_id,
        parent_span_id,
        kind,
        is_llm_call,
        not_counted_reason,
        start_time_ns::HUGEINT AS began,
        began + duration_ns AS ended,
        TRY_CAST(1e9 * TRY_CAST(attributes['otel_llm.retry.wait'] AS DOUBLE) AS BIGINT) AS wait_told,
        TRY_CAST(1e9 * TRY_CAST(attributes['otel_llm.provider.time'] AS DOUBLE) AS BIGINT) AS time_told,
        if(wait_told > 0, least(wait_told, duration_ns), 0) AS waited,
        if(time_told >= 0, time_told, NULL) AS provider_time,
        time_to_first_chunk_ns
    FROM spans
    SEMI JOIN chosen USING (trace_id)
    WHERE duration_ns >= 0 AND coalesce(clock_flag, '') NOT IN ('zero_time', 'out_of_range')
),
served AS (
    SELECT trace_id, parent_span_id AS span_id, max(ended - began) AS server_time
    FROM timed
    WHERE kind = 'SERVER' AND parent_span_id IS NOT NULL
    GROUP BY ALL
),
asked AS (
    SELECT
        timed.*,
        ended - began - waited AS answered_in,
        CASE
            WHEN is_llm_call AND provider_time IS NOT NULL
                THEN least(coalesce(time_to_first_chunk_ns, answered_in), answered_in) - provider_time
            ELSE answered_in - server_time
        END AS other_time,
        if(other_time IS NULL, NULL, greatest(0, other_time)) AS network,
        server_time IS NOT NULL AS is_served
    FROM timed
    LEFT JOIN served USING (trace_id, span_id)
    WHERE is_llm_call OR (kind = 'CLIENT' AND not_counted_reason IS NULL)
),
pieces AS (
    SELECT trace_id, 'own' AS part, began, ended FROM timed
    UNION ALL
    SELECT trace_id, 'waiting', began, began + waited FROM asked WHERE is_llm_call
    UNION ALL
    SELECT trace_id, 'network', began + waited, began + waited + network FROM asked WHERE network IS NOT NULL
    UNION ALL
    SELECT trace_id, 'model', began + waited + coalesce(network, 0), ended FROM asked WHERE is_llm_call
    UNION ALL
    SELECT trace_id, 'services', began, ended FROM asked WHERE NOT is_llm_call AND NOT is_served
),
edges AS (
    SELECT trace_id, part, began AS edge, 1 AS step FROM pieces
    UNION ALL
    SELECT trace_id, part, ended, -1 FROM pieces
),
steps AS (
    SELECT
        trace_id,
        edge,
        coalesce(sum(step) FILTER (WHERE part = 'model'), 0) AS model,
        coalesce(sum(step) FILTER (WHERE part = 'network'), 0) AS network,
        coalesce(sum(step) FILTER (WHERE part = 'waiting'), 0) AS waiting,
        coalesce(sum(step) FILTER (WHERE part = 'services'), 0) AS services,
        coalesce(sum(step) FILTER (WHERE part = 'own'), 0) AS own
    FROM edges
    GROUP BY trace_id, edge
),
moments AS (
    SELECT
        trace_id,
        lead(edge) OVER in_order - edge AS ns,
        CASE
            WHEN sum(model) OVER in_order > 0 THEN 'model'
            WHEN sum(network) OVER in_order > 0 THEN 'network'
            WHEN sum(waiting) OVER in_order > 0 THEN 'waiting'
            WHEN sum(services) OVER in_order > 0 THEN 'services'
            WHEN sum(own) OVER in_order > 0 THEN 'own'
        END AS part
    FROM steps
    WINDOW in_order AS (PARTITION BY trace_id ORDER BY edge)
),
known AS (
    SELECT
        trace_id,
        count(*) FILTER (WHERE is_llm_call AND network IS NOT NULL) AS timed_calls,
        count(network) > 0 AS knows_network
    FROM asked
    GROUP BY trace_id
),
split AS (
    SELECT
        trace_id,
        coalesce(sum(ns) FILTER (WHERE part IS NOT NULL), 0) AS total,
        coalesce(sum(ns) FILTER (WHERE part = 'model'), 0) AS model,
        coalesce(sum(ns) FILTER (WHERE part = 'network'), 0) AS network,
        coalesce(sum(ns) FILTER (WHERE part = 'waiting'), 0) AS waiting,
        coalesce(sum(ns) FILTER (WHERE part = 'services'), 0) AS services,
        coalesce(sum(ns) FILTER (WHERE part = 'own'), 0) AS own
    FROM moments
    GROUP BY trace_id
)
SELECT
    {output_names},
    count(*) AS traces,
    CAST(sum(calls) AS BIGINT) AS calls,
    CAST(sum(timed_calls) AS BIGINT) AS timed_calls,
    round(avg(total) / 1e6, 3) AS total_ms,
    round(avg(model) / 1e6, 3) AS model_ms,
    CASE WHEN bool_or(knows_network) THEN round(avg(network) / 1e6, 3) END AS network_ms,
    round(avg(waiting) / 1e6, 3) AS waiting_ms,
    round(avg(services) / 1e6, 3) AS services_ms,
    round(avg(own) / 1e6, 3) AS own_ms,
    grouping({first_name}) = 1 AS is_total
FROM chosen
JOIN split USING (trace_id)
JOIN known USING (trace_id)
GROUP BY GROUPING SETS (({names}), ())
ORDER BY is_total, {order} traces DESC, {names};
