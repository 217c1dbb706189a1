-- One row a data point of a metric that tells of tokens or money, whoever sends it: Claude Code, Codex, LiteLLM, the
-- conventions in both spellings. For applications that send metrics and no spans; where spans come too, these are the
-- same calls once more, so add up one of the two. kind is input, output, cache_read, cache_write, reasoning or cost; what
-- is input leaves out cached tokens where the sender leaves them out (Claude Code). Points of temporality `cumulative`
-- tell what was used since their start_time_ns: take the last of each series, not their sum.
CREATE OR REPLACE VIEW usage_metrics AS
SELECT
    time,
    date,
    name,
    service_name,
    environment,
    coalesce(
        MAP {
            'cacheRead': 'cache_read', 'cached_input': 'cache_read', 'cache_read': 'cache_read',
            'cacheCreation': 'cache_write', 'cache_creation': 'cache_write', 'cache_write': 'cache_write',
            'input': 'input', 'prompt': 'input', 'output': 'output', 'completion': 'output',
            'reasoning': 'reasoning', 'reasoning_output': 'reasoning'
        }[coalesce(attributes['gen_ai.token.type'], attributes['token_type'], attributes['type'])],
        CASE
            WHEN contains(name, 'cost') THEN 'cost'
            WHEN contains(name, '.cache_read.') THEN 'cache_read'
            WHEN contains(name, '.cache_write.') THEN 'cache_write'
            WHEN contains(name, '.reasoning.') THEN 'reasoning'
            WHEN ends_with(name, '.input_tokens') THEN 'input'
            WHEN ends_with(name, '.output_tokens') THEN 'output'
        END
    ) AS kind,
    coalesce(CAST(value_int AS DOUBLE), value, sum) AS amount,
    unit,
    temporality,
    start_time_ns,
    coalesce(attributes['gen_ai.provider.name'], attributes['gen_ai.system']) AS provider,
    coalesce(attributes['gen_ai.response.model'], attributes['gen_ai.request.model'], attributes['model']) AS model,
    coalesce(attributes['user.id'], attributes['user.account_uuid'], attributes['user.email']) AS user_id,
    coalesce(attributes['session.id'], attributes['gen_ai.conversation.id']) AS session_id,
    attributes
FROM metrics
WHERE name IN (
        'claude_code.token.usage', 'claude_code.cost.usage', 'codex.turn.token_usage', 'gen_ai.client.token.usage',
        'gen_ai.usage.cost', 'gen_ai.client.operation.cost'
    )
    OR starts_with(name, 'gen_ai.client.inference.usage.');
