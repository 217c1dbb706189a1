-- One row a run of an agent (an invoke_agent span). calls, tokens and cost_usd are of everything below it, the agents
-- it called included; own_calls and own_cost_usd stop at the next agent, so they add up over agents without overlap.
--
-- Down from each agent to the next ones: a span has one parent, so each is reached once and the walk ends, whatever
-- the senders claim (UNION drops what a cycle would repeat). Then up the tree of agents alone, which is small.
CREATE OR REPLACE VIEW agents AS
WITH RECURSIVE tree AS MATERIALIZED (
    SELECT trace_id, span_id, parent_span_id, coalesce(operation = 'invoke_agent', false) AS is_agent
    FROM spans
    WHERE trace_id IN (SELECT trace_id FROM spans WHERE operation = 'invoke_agent')
),
owned (trace_id, span_id, agent_span_id) AS (
    SELECT trace_id, span_id, span_id FROM tree WHERE is_agent
    UNION
    SELECT tree.trace_id, tree.span_id, owned.agent_span_id
    FROM owned
    JOIN tree ON tree.trace_id = owned.trace_id AND tree.parent_span_id = owned.span_id
    WHERE NOT tree.is_agent
),
own AS (
    SELECT owned.trace_id, owned.agent_span_id,
{call_sums}
    FROM owned
    JOIN spans ON spans.trace_id = owned.trace_id AND spans.span_id = owned.span_id
    GROUP BY owned.trace_id, owned.agent_span_id
),
nesting AS MATERIALIZED (
    SELECT tree.trace_id, tree.span_id, owned.agent_span_id AS parent_agent_span_id
    FROM tree
    LEFT JOIN owned ON owned.trace_id = tree.trace_id AND owned.span_id = tree.parent_span_id
    WHERE tree.is_agent
),
below (trace_id, span_id, descendant_span_id) AS (
    SELECT trace_id, span_id, span_id FROM nesting
    UNION
    SELECT nesting.trace_id, nesting.parent_agent_span_id, below.descendant_span_id
    FROM below
    JOIN nesting ON nesting.trace_id = below.trace_id AND nesting.span_id = below.span_id
    WHERE nesting.parent_agent_span_id IS NOT NULL
),
rolled_up AS (
    SELECT
        below.trace_id,
        below.span_id,
        CAST(sum(own.calls) AS BIGINT) AS calls,
        CAST(sum(own.errors) AS BIGINT) AS errors,
        TRY_CAST(sum(own.input_tokens) AS BIGINT) AS input_tokens,
        TRY_CAST(sum(own.cache_read_tokens) AS BIGINT) AS cache_read_tokens,
        TRY_CAST(sum(own.output_tokens) AS BIGINT) AS output_tokens,
        sum(own.cost_usd) AS cost_usd,
        CAST(sum(own.unpriced_calls) AS BIGINT) AS unpriced_calls
    FROM below
    JOIN own ON own.trace_id = below.trace_id AND own.agent_span_id = below.descendant_span_id
    GROUP BY below.trace_id, below.span_id
)
SELECT
    agent.trace_id,
    agent.span_id,
    agent.agent_name,
    parent.agent_name AS parent_agent_name,
    nesting.parent_agent_span_id,
    agent.workflow_name,
    agent.session_id,
    agent.user_id,
    agent.start_time,
    agent.duration_ms,
    agent.status,
    rolled_up.* EXCLUDE (trace_id, span_id),
    own.calls AS own_calls,
    own.cost_usd AS own_cost_usd
FROM nesting
JOIN spans AS agent ON agent.trace_id = nesting.trace_id AND agent.span_id = nesting.span_id
JOIN rolled_up ON rolled_up.trace_id = nesting.trace_id AND rolled_up.span_id = nesting.span_id
JOIN own ON own.trace_id = nesting.trace_id AND own.agent_span_id = nesting.span_id
LEFT JOIN spans AS parent
    ON parent.trace_id = nesting.trace_id AND parent.span_id = nesting.parent_agent_span_id;
