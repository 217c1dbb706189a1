"""The calls through LiteLLM, whichever of its callbacks tells of them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import asking
import emitting

_CALLS_BACK_S = 0.4  # it calls back from tasks of its own, some time after the answer


def run() -> None:
    """Make them."""
    import litellm
    from litellm.litellm_core_utils.logging_worker import GLOBAL_LOGGING_WORKER

    emitting.provide()
    litellm.callbacks = ["otel"]
    litellm.suppress_debug_info = True
    context = emitting.CONTEXT

    def call(model: str, *, embed: bool = False, **asked: Any) -> None:
        metadata = {"session_id": context["session"], **context["properties"]}  # of each call its own: it is written to

        async def main() -> None:
            ask = litellm.aembedding if embed else litellm.acompletion
            with suppress(litellm.RateLimitError):
                answer = await ask(
                    model=model, api_key="k", max_retries=0, num_retries=0, user=context["user"], metadata=metadata,
                    **asked,
                )  # fmt: skip
                if "stream" in asked:
                    async for _ in answer:
                        pass
            await asyncio.sleep(_CALLS_BACK_S)
            await GLOBAL_LOGGING_WORKER.flush()

        asyncio.run(main())

    system = {"type": "text", "text": asking.SYSTEM, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    openai: Any = {"api_base": f"{emitting.STANDIN}/v1", "messages": asking.MESSAGES}
    claude: Any = {"api_base": emitting.STANDIN, "max_tokens": 2048, "model": f"anthropic/{asking.MODELS['anthropic']}",
                   "messages": [{"role": "system", "content": [system]},
                                {"role": "user", "content": asking.QUESTION}]}  # fmt: skip
    stream: Any = {"stream": True, "stream_options": {"include_usage": True}}
    models = {name: f"openai/{model}" for name, model in asking.MODELS.items()}
    embedded: Any = {"api_base": openai["api_base"], "input": [asking.QUESTION], "dimensions": 4}
    emitting.run(
        {
            "chat": lambda: call(models["openai_thinking"], **openai),
            "chat_stream": lambda: call(models["openai_thinking"], **openai, **stream),
            "chat_tool": lambda: call(models["openai"], **openai, tools=asking.TOOLS),
            "chat_error": lambda: call(models["refused"], **openai),
            "embeddings": lambda: call(models["openai_embeddings"], embed=True, **embedded),
            "messages": lambda: call(**claude),
            "messages_stream": lambda: call(**claude, **stream),
        },
        told=("user", "session", "properties"),
    )
