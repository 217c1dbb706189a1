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
REQUEST_REASONING_LEVEL: Final = "gen_ai.request.reasoning.level"
OPENAI_REQUEST_SERVICE_TIER: Final = "openai.request.service_tier"

# --- the response ----------------------------------------------------------------------------------------
RESPONSE_ID: Final = "gen_ai.response.id"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
RESPONSE_TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"  # double, seconds
OPENAI_RESPONSE_SERVICE_TIER: Final = "openai.response.service_tier"
OPENAI_RESPONSE_SYSTEM_FINGERPRINT: Final = "openai.response.system_fingerprint"
SERVICE_TIER: Final = "otel_llm.service_tier"  # tier that served a call, where the conventions have no name for it

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

# --- agents, tools, workflows ----------------------------------------------------------------------------
AGENT_NAME: Final = "gen_ai.agent.name"
AGENT_DESCRIPTION: Final = "gen_ai.agent.description"
WORKFLOW_NAME: Final = "gen_ai.workflow.name"
TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_TYPE: Final = "gen_ai.tool.type"
TOOL_CALL_ID: Final = "gen_ai.tool.call.id"
TOOL_CALL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
TOOL_CALL_RESULT: Final = "gen_ai.tool.call.result"
TASK_NAME: Final = "otel_llm.task.name"

# --- content (opt-in) ------------------------------------------------------------------------------------
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"
TOOL_DEFINITIONS: Final = "gen_ai.tool.definitions"

# --- transport and errors --------------------------------------------------------------------------------
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
HTTP_STATUS: Final = "http.response.status_code"
ERROR_TYPE: Final = "error.type"
ATTEMPTS: Final = "otel_llm.attempts"  # HTTP attempts inside one call; absent = one
SAMPLE_RATE: Final = "otel_llm.sample_rate"

# --- resource --------------------------------------------------------------------------------------------
SERVICE_NAME: Final = "service.name"
ENVIRONMENT: Final = "deployment.environment.name"
ENVIRONMENT_OLD: Final = "deployment.environment"

# --- values ----------------------------------------------------------------------------------------------
OPERATION_CHAT: Final = "chat"
OPERATION_INVOKE_WORKFLOW: Final = "invoke_workflow"
OPERATION_INVOKE_AGENT: Final = "invoke_agent"
OPERATION_EXECUTE_TOOL: Final = "execute_tool"
OPERATION_TASK: Final = "task"  # ours: the conventions have no name for a plain step
#: Operations that are one inference each: the only rows that can count as a call.
INFERENCE_OPERATIONS: Final = frozenset({"chat", "generate_content", "text_completion", "embeddings"})
#: Content attributes: they leave the span's row for the `messages` table, which has its own retention.
CONTENT: Final = (INPUT_MESSAGES, OUTPUT_MESSAGES, SYSTEM_INSTRUCTIONS, TOOL_DEFINITIONS)
#: Instrumentation scopes of ours.
SCOPE_APP: Final = "otel_llm"
OPT_IN_CONTENT_ENV: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
