"""The GenAI conventions, with every older spelling that is still sent."""

from __future__ import annotations

from typing import Final

from .. import attributes as a
from .dialect import NS_PER_S, Accounting, Dialect, Scaled

#: Names of providers that have been renamed, or that tools spell in their own way.
PROVIDERS = {
    "aws": "aws.bedrock",
    "az.ai.inference": "azure.ai.inference",
    "az.ai.openai": "azure.ai.openai",
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "google": "gcp.gen_ai",
    "mistralai": "mistral_ai",
    "moonshot": "moonshot_ai",
    "vertex_ai": "gcp.vertex_ai",
    "xai": "x_ai",
}

#: What stands below or looks like a name of content, and is none: which prompt of a registry it was, costs, counts.
NO_CONTENT: Final = frozenset(
    {
        a.PROMPT_NAME,
        a.PROMPT_VERSION,
        "gen_ai.prompt.template.name",
        "gen_ai.prompt.template.version",
        "gen_ai.prompt.version_hash",
        "gen_ai.prompt.version_name",
        *(f"llm.{counted}.{name}" for counted in ("cost", "token_count") for name in ("input", "output", "prompt")),
    }
)

DIALECT = Dialect(
    "genai",
    "semantic-conventions-genai; opentelemetry-semantic-conventions 0.66b2",
    mark_prefixes=("gen_ai.",),
    columns={
        "operation": (a.OPERATION,),
        "provider": (a.PROVIDER, a.SYSTEM),
        "request_model": (a.REQUEST_MODEL,),
        "response_model": (a.RESPONSE_MODEL,),
        "response_id": (a.RESPONSE_ID,),
        "input_tokens": (a.USAGE_INPUT_TOKENS, "gen_ai.usage.prompt_tokens"),
        "output_tokens": (a.USAGE_OUTPUT_TOKENS, "gen_ai.usage.completion_tokens"),
        "cache_read_tokens": (a.USAGE_CACHE_READ_TOKENS, "gen_ai.usage.cache_read_input_tokens"),
        "cache_write_tokens": (
            a.USAGE_CACHE_WRITE_TOKENS,
            a.USAGE_CACHE_CREATION_TOKENS,
            "gen_ai.usage.cache_creation_input_tokens",
        ),
        "cache_write_1h_tokens": (a.USAGE_CACHE_WRITE_1H_TOKENS,),
        "reasoning_tokens": (a.USAGE_REASONING_TOKENS, "gen_ai.usage.reasoning_tokens"),
        "audio_input_tokens": (a.USAGE_AUDIO_INPUT_TOKENS,),
        "audio_output_tokens": (a.USAGE_AUDIO_OUTPUT_TOKENS,),
        "image_input_tokens": (a.USAGE_IMAGE_INPUT_TOKENS,),
        "image_output_tokens": (a.USAGE_IMAGE_OUTPUT_TOKENS,),
        "cache_read_audio_tokens": (a.USAGE_CACHE_READ_AUDIO_TOKENS,),
        "cache_read_image_tokens": (a.USAGE_CACHE_READ_IMAGE_TOKENS,),
        "tool_use_prompt_tokens": (a.USAGE_TOOL_USE_PROMPT_TOKENS,),
        "web_searches": (a.USAGE_WEB_SEARCHES,),
        "unpriced_units": (a.USAGE_UNPRICED_UNITS,),
        "advisor_input_tokens": (a.USAGE_ADVISOR_INPUT_TOKENS,),
        "advisor_output_tokens": (a.USAGE_ADVISOR_OUTPUT_TOKENS,),
        "finish_reasons": (a.RESPONSE_FINISH_REASONS, "gen_ai.response.finish_reason"),
        "time_to_first_chunk_ns": (Scaled(a.RESPONSE_TIME_TO_FIRST_CHUNK, NS_PER_S),),
        "stream": (a.REQUEST_STREAM, "gen_ai.is_streaming"),
        "session_id": (a.SESSION_ID, a.CONVERSATION_ID),
        "session_name": (a.SESSION_NAME,),
        "session_path": (a.SESSION_PATH,),
        "conversation_id": (a.CONVERSATION_ID,),
        "user_id": (a.USER_ID, "gen_ai.user"),
        "prompt_name": (a.PROMPT_NAME,),
        "prompt_version": (a.PROMPT_VERSION,),
        "agent_name": (a.AGENT_NAME,),
        "workflow_name": (a.WORKFLOW_NAME,),
        "tool_name": (a.TOOL_NAME,),
        "error_type": (a.ERROR_TYPE,),
        "emitted_cost_usd": (a.COST_AMOUNT,),
        "emitted_cost_source": (a.COST_SOURCE,),
    },
    accounting=Accounting.BY_PROVIDER,
    providers=PROVIDERS,
    content=a.CONTENT,
)
