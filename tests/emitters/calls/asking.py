"""The calls that every emitter is to tell of, made with the providers' own SDKs: what is asked is in `calls.json`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from emitting import CALLS, STANDIN

MODELS: Any = CALLS["models"]
SYSTEM: str = CALLS["system"]
QUESTION: str = CALLS["question"]
TOOL: Any = CALLS["tool"]
MESSAGES: Any = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}]
TOOLS: Any = [{"type": "function", "function": {
    "name": TOOL["name"], "description": TOOL["description"], "parameters": TOOL["schema"]}}]  # fmt: skip

Calls = dict[str, Callable[[], object]]


def openai_calls(client: Any = None) -> Calls:
    """Of OpenAI's SDK: cached and reasoning tokens, a stream, a tool and its result, the Responses API, an error."""
    import openai

    at = client or openai.OpenAI(api_key="k", base_url=f"{STANDIN}/v1", max_retries=0)
    thinking, plain = MODELS["openai_thinking"], MODELS["openai"]

    def chat_stream() -> None:
        list(at.chat.completions.create(model=thinking, messages=MESSAGES, stream=True,
                                        stream_options={"include_usage": True}))  # fmt: skip

    def chat_tool() -> None:
        first = at.chat.completions.create(model=plain, messages=MESSAGES, tools=TOOLS).choices[0].message
        call = first.tool_calls[0]
        asked = {"role": "assistant", "content": None, "tool_calls": [
            {"id": call.id, "type": "function",
             "function": {"name": call.function.name, "arguments": call.function.arguments}}]}  # fmt: skip
        answered = {"role": "tool", "tool_call_id": call.id, "content": TOOL["result"]}
        at.chat.completions.create(model=plain, messages=[*MESSAGES, asked, answered], tools=TOOLS)

    def refused() -> None:
        try:
            at.chat.completions.create(model=MODELS["refused"], messages=MESSAGES)
        except openai.RateLimitError:
            return
        raise AssertionError("it was answered")

    return {
        "chat": lambda: at.chat.completions.create(model=thinking, messages=MESSAGES),
        "chat_stream": chat_stream,
        "chat_tool": chat_tool,
        "chat_error": refused,
        "embeddings": lambda: at.embeddings.create(
            model=MODELS["openai_embeddings"], input=QUESTION, dimensions=4, encoding_format="float"
        ),
        "responses": lambda: at.responses.create(model=thinking, instructions=SYSTEM, input=QUESTION),
    }


def anthropic_calls(client: Any = None) -> Calls:
    """Of Anthropic's: cache reads, writes of both lifetimes, thinking, a stream, a tool and its result, an error."""
    import anthropic

    at = client or anthropic.Anthropic(api_key="k", base_url=STANDIN, max_retries=0)
    plain: Any = {"model": MODELS["anthropic"], "max_tokens": 2048, "system": SYSTEM}
    asked: Any = plain | {
        "system": [{"type": "text", "text": SYSTEM, "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": QUESTION, "cache_control": {"type": "ephemeral"}}]}
        ],
    }
    thinking: Any = asked | {"thinking": {"type": "enabled", "budget_tokens": 1024}}

    def messages_tool() -> None:
        tools: Any = [{"name": TOOL["name"], "description": TOOL["description"], "input_schema": TOOL["schema"]}]
        question: Any = {"role": "user", "content": QUESTION}
        first = at.messages.create(**plain, messages=[question], tools=tools)
        use = next(block for block in first.content if block.type == "tool_use")
        said = {"role": "assistant", "content": [
            {"type": "tool_use", "id": use.id, "name": use.name, "input": use.input}]}  # fmt: skip
        result = {"type": "tool_result", "tool_use_id": use.id, "content": TOOL["result"]}
        at.messages.create(**plain, messages=[question, said, {"role": "user", "content": [result]}], tools=tools)

    def refused() -> None:
        try:
            at.messages.create(**asked | {"model": MODELS["refused"]})
        except anthropic.RateLimitError:
            return
        raise AssertionError("it was answered")

    return {
        "messages": lambda: at.messages.create(**thinking),
        "messages_stream": lambda: list(at.messages.create(**asked, stream=True)),
        "messages_tool": messages_tool,
        "messages_error": refused,
    }


def gemini_calls() -> Calls:
    """Of Google's: thinking, a stream."""
    from google import genai
    from google.genai import types

    at = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=STANDIN))
    asked: Any = {"model": MODELS["gemini"], "contents": QUESTION,
                  "config": types.GenerateContentConfig(system_instruction=SYSTEM)}  # fmt: skip
    return {
        "generate": lambda: at.models.generate_content(**asked),
        "generate_stream": lambda: list(at.models.generate_content_stream(**asked)),
    }


def mistral_calls() -> Calls:
    """Of Mistral's."""
    from mistralai.client import Mistral
    from mistralai.extra.observability import set_tracer_provider
    from opentelemetry import trace

    at = Mistral(api_key="k", server_url=f"{STANDIN}/mistral")
    set_tracer_provider(at, trace.get_tracer_provider())
    return {
        "chat": lambda: at.chat.complete(model=MODELS["mistral"], messages=MESSAGES),
        "chat_stream": lambda: list(at.chat.stream(model=MODELS["mistral"], messages=MESSAGES)),
    }


def bedrock_calls() -> Calls:
    """Of Bedrock: Converse with a cache point, and as a stream."""
    import boto3

    at = boto3.client("bedrock-runtime", endpoint_url=STANDIN, region_name="us-east-1",
                      aws_access_key_id="k", aws_secret_access_key="k")  # fmt: skip
    asked: Any = {
        "modelId": MODELS["bedrock"],
        "system": [{"text": SYSTEM}, {"cachePoint": {"type": "default"}}],
        "messages": [{"role": "user", "content": [{"text": QUESTION}]}],
    }
    return {
        "converse": lambda: at.converse(**asked),
        "converse_stream": lambda: list(at.converse_stream(**asked)["stream"]),
    }


def quiet(**more: str) -> None:
    """Variables of the environment that must stand before an emitter is imported."""
    os.environ.update(more)
