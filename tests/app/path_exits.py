"""The rows of the table for a process that ends while a stream is half read: in a child of its own, as users start it.

What such an app sees is what it prints, what it complains of and the status that it ends with.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any, Final

from app.answers import CHAT, GENERATE, MESSAGES, Wire, holds
from app.clients import STREAM_URL
from app.otlpserver import OtlpServer, attributes_of
from app.paths import Found, Row, Scene, Truth
from app.test_export import INSTRUMENT
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from otel_llm_semconv.usage import PARTIAL

#: Each prints what it got, up to the piece after which it ends.
RUNS_OUT: Final = """
import openai, sys
client = openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key="k")
hello = [{"role": "user", "content": "hello"}]
events = client.chat.completions.create(model="gpt-4o", messages=hello, stream=True)
for event in events:
    print(event.choices[0].delta.content)
    if event.choices[0].delta.content == "two":
        break
"""
EXITS: Final = """
import anthropic, asyncio, sys
async def main():
    client = anthropic.AsyncAnthropic(base_url=sys.argv[1], api_key="k")
    hello = [{"role": "user", "content": "hello"}]
    async with client.messages.stream(model="claude-haiku-4-5", messages=hello, max_tokens=9) as events:
        async for text in events.text_stream:
            print(text)
            if text == "two":
                sys.exit(3)
asyncio.run(main())
"""
FAILS: Final = f"""
import httpx2, sys
client = httpx2.Client(base_url=sys.argv[1])
asked = {{"contents": [{{"role": "user", "parts": [{{"text": "hello"}}]}}]}}
response = client.send(client.build_request("POST", "{STREAM_URL}", json=asked), stream=True)
for line in response.iter_lines():
    if '"two"' in line:
        print("two")
        raise SystemError("of the app's own")
"""


def _row(name: str, script: str, wire: Wire, output: str, status: int) -> Row:
    def app(scene: Scene) -> None:
        command = [*scene.starter, "-c", script, scene.server.url]
        done = subprocess.run(command, env=scene.env, capture_output=True, text=True, timeout=60, check=False)
        scene.saw((done.stdout, done.returncode, done.stderr))

    truth = Truth(wire.begun_usage, PARTIAL)
    sees = ((output, status),)
    return Row(name, app, (holds(*wire.begun),), truth, None, sees, said=lambda seen: seen[:2])


ROWS: Final = [
    _row("chat stream: the program ends half read", RUNS_OUT, CHAT, "one \ntwo\n", 0),
    _row("messages stream: sys.exit half read, async", EXITS, MESSAGES, "one \ntwo\n", 3),
    _row("gemini stream: the program fails half read", FAILS, GENERATE, "two\n", 1),
]


def clean_env() -> dict[str, str]:
    """The environment of a child without anything of OpenTelemetry's."""
    return {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}


def walk(row: Row, collector: OtlpServer | None = None) -> Scene:
    """The child on its own, or started by `opentelemetry-instrument` and sending to the collector."""
    if collector is None:
        return row.walk(starter=[sys.executable], env=clean_env())
    return row.walk(starter=INSTRUMENT, env=clean_env() | {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url})


def found_at(collector: OtlpServer) -> list[Found]:
    """All spans that arrived."""
    return [
        Found(attributes_of(span), span.status.code == Status.STATUS_CODE_ERROR, span.status.message)
        for path, request in collector.requests
        if path == "/v1/traces"
        for span in _spans(request)
    ]


def _spans(request: Any) -> list[Any]:
    return [span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]
