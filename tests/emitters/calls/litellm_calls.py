"""The calls through LiteLLM, whichever of its callbacks tells of them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import asking
import emitting


def run() -> None:
    """Make them. It calls back from a thread, some time after the answer."""
    import litellm

    litellm.callbacks = ["otel"]
    context = emitting.CONTEXT
    more: Any = {"api_key": "k", "max_retries": 0, "num_retries": 0, "user": context["user"],
                 "metadata": {"session_id": context["session"], **context["properties"]}}  # fmt: skip
    openai = more | {"api_base": f"{emitting.STANDIN}/v1", "messages": asking.MESSAGES}
    anthropic = more | {"api_base": emitting.STANDIN, "max_tokens": 2048, "messages": [
        {"role": "system", "content": [
            {"type": "text", "text": asking.SYSTEM, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
        {"role": "user", "content": asking.QUESTION}]}  # fmt: skip
    tool = asking.TOOL
    tools = [{"type": "function", "function": {
        "name": tool["name"], "description": tool["description"], "parameters": tool["schema"]}}]  # fmt: skip
    thinking, plain = f"openai/{asking.MODELS['openai_thinking']}", f"openai/{asking.MODELS['openai']}"
    claude = f"anthropic/{asking.MODELS['anthropic']}"

    def refused() -> None:
        with suppress(litellm.RateLimitError):
            litellm.completion(model=f"openai/{asking.MODELS['refused']}", **openai)

    embedding = f"openai/{asking.MODELS['openai_embeddings']}"
    embed = {key: value for key, value in openai.items() if key != "messages"}
    usage: Any = {"stream": True, "stream_options": {"include_usage": True}}
    emitting.run(
        {
            "chat": lambda: litellm.completion(model=thinking, **openai),
            "chat_stream": lambda: list(litellm.completion(model=thinking, **openai, **usage)),
            "chat_tool": lambda: litellm.completion(model=plain, **openai, tools=tools),
            "chat_error": refused,
            "embeddings": lambda: litellm.embedding(model=embedding, input=[asking.QUESTION], dimensions=4, **embed),
            "messages": lambda: litellm.completion(model=claude, **anthropic),
            "messages_stream": lambda: list(litellm.completion(model=claude, **anthropic, **usage)),
        },
        told=("user",),
        settle_s=0.8,
        flush=lambda: None,
    )
