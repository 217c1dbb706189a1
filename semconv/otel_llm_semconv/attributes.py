"""Every attribute, metric and event name that otel-llm reads or writes: the only file that spells them.

Source: OpenTelemetry GenAI semantic conventions (`open-telemetry/semantic-conventions-genai`, main of
2026-08-03 plus the renames released since), kept here because the incubating Python module stops at 1.41 and
knows neither `cache_write` nor cost. Cost names follow the open proposal semantic-conventions-genai#443.
Our own names start with `otel_llm.`.
"""

from __future__ import annotations

from typing import Final

SPEC_VERSION: Final = "gen-ai-dev/1.42.0-dev"
SCHEMA_URL: Final = "https://opentelemetry.io/schemas/gen-ai-dev/1.42.0-dev"

# --- the operation ---------------------------------------------------------------------------------------
OPERATION: Final = "gen_ai.operation.name"
PROVIDER: Final = "gen_ai.provider.name"
SYSTEM: Final = "gen_ai.system"  # predecessor of PROVIDER, still emitted
CONVERSATION_ID: Final = "gen_ai.conversation.id"
PROMPT_NAME: Final = "gen_ai.prompt.name"
PROMPT_VERSION: Final = "gen_ai.prompt.version"
OUTPUT_TYPE: Final = "gen_ai.output.type"

# --- the request -----------------------------------------------------------------------------------------
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_STREAM: Final = "gen_ai.request.stream"
REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
REQUEST_TEMPERATURE: Final = "gen_ai.request.temperature"
REQUEST_TOP_P: Final = "gen_ai.request.top_p"
REQUEST_TOP_K: Final = "gen_ai.request.top_k"
REQUEST_FREQUENCY_PENALTY: Final = "gen_ai.request.frequency_penalty"
REQUEST_PRESENCE_PENALTY: Final = "gen_ai.request.presence_penalty"
REQUEST_STOP_SEQUENCES: Final = "gen_ai.request.stop_sequences"
REQUEST_SEED: Final = "gen_ai.request.seed"
REQUEST_CHOICE_COUNT: Final = "gen_ai.request.choice.count"
REQUEST_PREVIOUS_RESPONSE_ID: Final = "gen_ai.request.previous_response.id"
REQUEST_ENCODING_FORMATS: Final = "gen_ai.request.encoding_formats"
EMBEDDINGS_DIMENSION_COUNT: Final = "gen_ai.embeddings.dimension.count"
REQUEST_REASONING_LEVEL: Final = "gen_ai.request.reasoning.level"
OPENAI_REQUEST_SERVICE_TIER: Final = "openai.request.service_tier"
#: How an answer is asked for: nothing that a sampler or a processor needs to know when the call starts.
REQUEST_PARAMETERS: Final = frozenset(
    {
        EMBEDDINGS_DIMENSION_COUNT,
        OPENAI_REQUEST_SERVICE_TIER,
        OUTPUT_TYPE,
        REQUEST_CHOICE_COUNT,
        REQUEST_ENCODING_FORMATS,
        REQUEST_FREQUENCY_PENALTY,
        REQUEST_MAX_TOKENS,
        REQUEST_PRESENCE_PENALTY,
        REQUEST_REASONING_LEVEL,
        REQUEST_SEED,
        REQUEST_STOP_SEQUENCES,
        REQUEST_TEMPERATURE,
        REQUEST_TOP_K,
        REQUEST_TOP_P,
    }
)
BEDROCK_GUARDRAIL_ID: Final = "aws.bedrock.guardrail.id"
BEDROCK_KNOWLEDGE_BASE_ID: Final = "aws.bedrock.knowledge_base.id"

# --- the response ----------------------------------------------------------------------------------------
RESPONSE_ID: Final = "gen_ai.response.id"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
RESPONSE_TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"  # double, seconds
OPENAI_RESPONSE_SERVICE_TIER: Final = "openai.response.service_tier"
OPENAI_RESPONSE_SYSTEM_FINGERPRINT: Final = "openai.response.system_fingerprint"
#: The two as released instrumentations write them.
OLD_REQUEST_SERVICE_TIER: Final = "gen_ai.openai.request.service_tier"
OLD_RESPONSE_SERVICE_TIER: Final = "gen_ai.openai.response.service_tier"
#: Tiers that are what they are asked for to be, where no answer says which one it was.
TIERS_AS_ASKED: Final = ("batch", "flex", "priority")
SERVICE_TIER: Final = "otel_llm.service_tier"  # tier that served a call, where the conventions have no name for it
DEPLOYED_MODEL: Final = "otel_llm.deployed_model"  # the model behind the deployment that was asked for
INFERENCE_PLACE: Final = "otel_llm.inference.place"  # geography that inference was kept to, where it has a price

# --- usage: input includes cache reads and writes, output includes reasoning ----------------------------------
USAGE_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
USAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
USAGE_CACHE_READ_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
USAGE_CACHE_WRITE_TOKENS: Final = "gen_ai.usage.cache_write.input_tokens"
USAGE_CACHE_CREATION_TOKENS: Final = "gen_ai.usage.cache_creation.input_tokens"  # older spelling of the line above
USAGE_CACHE_WRITE_5M_TOKENS: Final = "anthropic.usage.cache_creation.ephemeral_5m_input_tokens"
USAGE_CACHE_WRITE_1H_TOKENS: Final = "anthropic.usage.cache_creation.ephemeral_1h_input_tokens"
USAGE_REASONING_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"
USAGE_AUDIO_INPUT_TOKENS: Final = "gen_ai.usage.audio.input_tokens"
USAGE_AUDIO_OUTPUT_TOKENS: Final = "gen_ai.usage.audio.output_tokens"
USAGE_TOOL_USE_PROMPT_TOKENS: Final = "otel_llm.usage.tool_use_prompt_tokens"  # part of the input (Gemini)
USAGE_WEB_SEARCHES: Final = "otel_llm.usage.web_searches"  # searches that the provider made and bills
USAGE_UNPRICED_UNITS: Final = "otel_llm.usage.unpriced_units"  # what else it bills, which has no price here
USAGE_IMAGE_INPUT_TOKENS: Final = "gen_ai.usage.image.input_tokens"  # part of the input
USAGE_IMAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.image.output_tokens"  # part of the output
USAGE_CACHE_READ_AUDIO_TOKENS: Final = "gen_ai.usage.audio.cache_read.input_tokens"
USAGE_CACHE_READ_IMAGE_TOKENS: Final = "gen_ai.usage.image.cache_read.input_tokens"
#: What Anthropic leaves out of its own counts: a compaction (names of its SDK), which those above have, and an adviser.
USAGE_COMPACTION_INPUT_TOKENS: Final = "anthropic.usage.compaction.input_tokens"
USAGE_COMPACTION_OUTPUT_TOKENS: Final = "anthropic.usage.compaction.output_tokens"
USAGE_ADVISOR_INPUT_TOKENS: Final = "otel_llm.usage.advisor.input_tokens"
USAGE_ADVISOR_OUTPUT_TOKENS: Final = "otel_llm.usage.advisor.output_tokens"
USAGE_ADVISOR_MODEL: Final = "otel_llm.usage.advisor.model"
USAGE_STATUS: Final = "otel_llm.usage.status"

# --- cost ------------------------------------------------------------------------------------------------
COST_AMOUNT: Final = "gen_ai.usage.cost.amount"  # double; the exact figure is the collector's
COST_CURRENCY: Final = "gen_ai.usage.cost.currency"
COST_SOURCE: Final = "gen_ai.usage.cost.source"  # provider | local
COST_STATUS: Final = "otel_llm.cost.status"
COST_COMPONENT_PREFIX: Final = "otel_llm.cost."
PRICE_VERSION: Final = "otel_llm.price.version"

# --- who and what for ------------------------------------------------------------------------------------
SESSION_ID: Final = "session.id"
SESSION_NAME: Final = "otel_llm.session.name"
SESSION_PATH: Final = "otel_llm.session.path"
USER_ID: Final = "user.id"
PROPERTY_PREFIX: Final = "otel_llm.property."
SENT_PREFIX: Final = "otel_llm.sent."  # on forwarded spans: what the sender said where we say something else

# --- agents, tools, workflows ----------------------------------------------------------------------------
AGENT_NAME: Final = "gen_ai.agent.name"
AGENT_DESCRIPTION: Final = "gen_ai.agent.description"
WORKFLOW_NAME: Final = "gen_ai.workflow.name"
TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_TYPE: Final = "gen_ai.tool.type"
TOOL_DESCRIPTION: Final = "gen_ai.tool.description"
TOOL_CALL_ID: Final = "gen_ai.tool.call.id"
TOOL_CALL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
TOOL_CALL_RESULT: Final = "gen_ai.tool.call.result"
RETRIEVAL_QUERY: Final = "gen_ai.retrieval.query.text"  # content
TASK_NAME: Final = "otel_llm.task.name"

# --- MCP: a request between a client and a server of tools ---------------------------------------------------
MCP_METHOD: Final = "mcp.method.name"
MCP_PROTOCOL_VERSION: Final = "mcp.protocol.version"
MCP_RESOURCE_URI: Final = "mcp.resource.uri"
MCP_SESSION_ID: Final = "mcp.session.id"
JSONRPC_REQUEST_ID: Final = "jsonrpc.request.id"
RPC_STATUS: Final = "rpc.response.status_code"  # the code of a JSON-RPC error
NETWORK_PROTOCOL: Final = "network.protocol.name"
NETWORK_TRANSPORT: Final = "network.transport"  # pipe for stdio, tcp for HTTP

# --- content (opt-in) ------------------------------------------------------------------------------------
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"
TOOL_DEFINITIONS: Final = "gen_ai.tool.definitions"
INPUT_MESSAGES_REF: Final = "gen_ai.input.messages_ref"  # URL of the whole list; names of util-genai
OUTPUT_MESSAGES_REF: Final = "gen_ai.output.messages_ref"
SYSTEM_INSTRUCTIONS_REF: Final = "gen_ai.system_instructions_ref"
TOOL_DEFINITIONS_REF: Final = "gen_ai.tool.definitions_ref"
CONTENT_TRUNCATED: Final = "otel_llm.content.truncated"  # string[]: the content attributes that were cut
CONTENT_CUT: Final = "otel_llm.cut"  # generic_type of the part that stands for what was left out
OPERATION_DETAILS: Final = "gen_ai.client.inference.operation.details"  # the event that carries content

# --- scores: the evaluation event ------------------------------------------------------------------------
EVALUATION_RESULT: Final = "gen_ai.evaluation.result"  # the event's name
EVALUATION_NAME: Final = "gen_ai.evaluation.name"
EVALUATION_SCORE_VALUE: Final = "gen_ai.evaluation.score.value"  # double
EVALUATION_SCORE_LABEL: Final = "gen_ai.evaluation.score.label"
EVALUATION_EXPLANATION: Final = "gen_ai.evaluation.explanation"

# --- metrics: histograms, in seconds where they are durations ------------------------------------------------
METRIC_TOKEN_USAGE: Final = "gen_ai.client.token.usage"
METRIC_OPERATION_DURATION: Final = "gen_ai.client.operation.duration"
METRIC_TIME_TO_FIRST_CHUNK: Final = "gen_ai.client.operation.time_to_first_chunk"
METRIC_TIME_PER_OUTPUT_CHUNK: Final = "gen_ai.client.operation.time_per_output_chunk"
METRIC_OPERATION_COST: Final = "gen_ai.client.operation.cost"  # as in the open proposal #443
METRIC_COLLECTING: Final = "otel_llm.metrics.collecting"  # never has a value: its callback says that a reader collects
TOKEN_TYPE: Final = "gen_ai.token.type"
TOKEN_TYPE_INPUT: Final = "input"
TOKEN_TYPE_OUTPUT: Final = "output"

# --- transport and errors --------------------------------------------------------------------------------
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
HTTP_STATUS: Final = "http.response.status_code"
ERROR_TYPE: Final = "error.type"
HTTP_RESEND_COUNT: Final = "http.request.resend_count"
ATTEMPTS: Final = "otel_llm.attempts"  # HTTP attempts inside one call; absent = one
ATTEMPT_OUTCOMES: Final = "otel_llm.attempt.outcomes"  # of each attempt its HTTP status, or its error's name
RETRY_WAIT: Final = "otel_llm.retry.wait"  # double, seconds between attempts
RETRY_AFTER: Final = "otel_llm.retry.after"  # the header that asked for the wait, as it was sent
PROVIDER_TIME: Final = "otel_llm.provider.time"  # double, seconds that the provider says it took until it answered
EVENT_RETRY: Final = "otel_llm.retry"
OPENINFERENCE_KIND: Final = "openinference.span.kind"
OPENLLMETRY_REQUEST_TYPE: Final = "llm.request.type"
OPENLLMETRY_RESPONSE_SPAN: Final = "openai.response"  # the name of a span
LANGFUSE_KIND: Final = "langfuse.observation.type"
CONTINUES: Final = "otel_llm.continues"  # span id of the foreign span that ended before this call of it did
ECHO: Final = "otel_llm.echo"  # true on a foreign span that tells once more of a call that is over
LOGFIRE_SPAN_TYPE: Final = "logfire.span_type"  # log: it has no duration
SAMPLE_RATE: Final = "otel_llm.sample_rate"

# --- resource --------------------------------------------------------------------------------------------
SERVICE_NAME: Final = "service.name"
ENVIRONMENT: Final = "deployment.environment.name"
ENVIRONMENT_OLD: Final = "deployment.environment"

# --- values ----------------------------------------------------------------------------------------------
OPERATION_CHAT: Final = "chat"
OPERATION_EMBEDDINGS: Final = "embeddings"
OPERATION_GENERATE_CONTENT: Final = "generate_content"
OPERATION_RERANK: Final = "rerank"  # ours: the conventions have no name for it
OPERATION_TEXT_COMPLETION: Final = "text_completion"
OPERATION_INVOKE_WORKFLOW: Final = "invoke_workflow"
OPERATION_INVOKE_AGENT: Final = "invoke_agent"
OPERATION_EXECUTE_TOOL: Final = "execute_tool"
OPERATION_RETRIEVAL: Final = "retrieval"
OPERATION_TASK: Final = "task"  # ours: the conventions have no name for a plain step
#: Operations that are no inference, whatever usage they repeat of those inside: of the conventions, of the GenAI branch
#: of them, and of ours.
OTHER_OPERATIONS: Final = frozenset(
    {
        "create_agent",
        "plan",
        OPERATION_EXECUTE_TOOL,
        OPERATION_INVOKE_AGENT,
        OPERATION_INVOKE_WORKFLOW,
        OPERATION_RETRIEVAL,
        OPERATION_TASK,
    }
)
#: Operations that are one inference each. A span that names none of all these is one, too, where it tells of tokens and
#: of a model: senders leave the name out, or have names of their own.
INFERENCE_OPERATIONS: Final = frozenset(
    {
        OPERATION_CHAT,
        OPERATION_EMBEDDINGS,
        OPERATION_GENERATE_CONTENT,
        OPERATION_RERANK,
        OPERATION_TEXT_COMPLETION,
    }
)
#: Content attributes: they leave the span's row for the `messages` table, which has its own retention.
CONTENT: Final = (INPUT_MESSAGES, OUTPUT_MESSAGES, SYSTEM_INSTRUCTIONS, TOOL_DEFINITIONS)
#: Instrumentation scopes of ours.
SCOPE_APP: Final = "otel_llm"
OPT_IN_CONTENT_ENV: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
