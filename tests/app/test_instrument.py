"""Switching on and off: nothing is imported, nothing is left behind, nothing of ours reaches the app."""

from __future__ import annotations

import gc
import hashlib
import inspect
import itertools
import json
import os
import subprocess
import sys
from typing import Any

import anthropic._base_client
import httpx
import httpx2
import openai
import openai._base_client
import pytest
from app.rawserver import Connection, RawServer
from app.recording import Recorded
from opentelemetry import propagate
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import TracerProvider

import otel_llm
from otel_llm import failures
from otel_llm.errors import UsageError
from otel_llm.finisher import finisher
from otel_llm.recognition import BODY_BYTES_MAX
from otel_llm_collector.demo.standin.server import Standin
from otel_llm_semconv import attributes as a

HELLO: Any = [{"role": "user", "content": "hello"}]
BODY: Any = {"model": "gpt-4o", "messages": HELLO}
PATCHED = [
    (httpx.Client, "send"),
    (httpx.AsyncClient, "send"),
    (httpx2.Client, "send"),
    (httpx2.AsyncClient, "send"),
    (openai._base_client.SyncAPIClient, "request"),
    (openai._base_client.AsyncAPIClient, "request"),
    (anthropic._base_client.SyncAPIClient, "request"),
    (anthropic._base_client.AsyncAPIClient, "request"),
    (TracerProvider, "__init__"),
]


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **environment}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=env, check=False
    )


def test_everything_is_restored() -> None:
    before = [owner.__dict__[name] for owner, name in PATCHED]
    propagator = propagate.get_global_textmap()
    recorded = Recorded()
    during = [owner.__dict__[name] for owner, name in PATCHED]
    assert all(one is not two for one, two in zip(before, during, strict=True))
    assert os.environ["ANTHROPIC_OPEN_TELEMETRY"] == "false"
    for one, two in zip(before, during, strict=True):
        assert inspect.signature(one) == inspect.signature(two)
        assert inspect.iscoroutinefunction(one) == inspect.iscoroutinefunction(two)
    otel_llm.uninstrument()
    assert [owner.__dict__[name] for owner, name in PATCHED] == before
    assert propagate.get_global_textmap() is propagator
    assert "ANTHROPIC_OPEN_TELEMETRY" not in os.environ
    assert len(recorded.provider._active_span_processor._span_processors) == 1


def test_instrumenting_twice_is_once(recorded: Recorded, standin: Standin) -> None:
    otel_llm.instrument(tracer_provider=recorded.provider)
    with openai.OpenAI(api_key="k", base_url=standin.openai_url) as client:
        client.chat.completions.create(**BODY)
    assert recorded.call()


def test_a_hook_that_somebody_wrapped_passes_through_afterwards(recorded: Recorded, standin: Standin) -> None:
    ours = httpx2.Client.send

    def theirs(self: Any, *args: Any, **kwargs: Any) -> Any:
        return ours(self, *args, **kwargs)

    httpx2.Client.send = theirs  # type: ignore[method-assign]
    try:
        otel_llm.uninstrument()
        assert httpx2.Client.send is theirs
        with httpx2.Client() as client:
            assert client.post(standin.openai_url + "/chat/completions", json=BODY).status_code == 200
        assert recorded.spans() == []
    finally:
        httpx2.Client.send = inspect.unwrap(ours)  # type: ignore[method-assign]


def test_nothing_is_imported_that_the_app_did_not_import() -> None:
    heavy = "('openai', 'anthropic', 'httpx', 'httpx2', 'requests', 'genai_prices', 'grpc', 'duckdb', 'pyarrow')"
    code = f"import sys, otel_llm; otel_llm.instrument(); print([name for name in {heavy} if name in sys.modules])"
    assert python(code).stdout.strip() == "[]"
    light = "import sys, otel_llm; print([name for name in sys.modules if name.startswith('opentelemetry')])"
    assert python(light).stdout.strip() == "[]"


def test_instrumenting_loads_little() -> None:
    """20 ms of CPU where nothing else runs; an SDK, an HTTP client or the price data would add hundreds."""
    base = "import opentelemetry.trace, opentelemetry.sdk.trace.export, opentelemetry.instrumentation.instrumentor\n"
    base += "import opentelemetry.instrumentation.utils, opentelemetry.metrics, opentelemetry._logs, time\n"
    timed = base + "t = time.process_time(); import otel_llm; otel_llm.instrument(); print(time.process_time() - t)"
    assert min(float(python(timed).stdout) for _ in range(3)) < 0.2


def test_the_public_names_are_what_they_say() -> None:
    assert otel_llm.__all__ == sorted(otel_llm.__all__)
    assert set(otel_llm.__all__) <= set(dir(otel_llm))
    for name in otel_llm.__all__:
        assert callable(getattr(otel_llm, name))
        assert getattr(otel_llm, name).__doc__
    with pytest.raises(AttributeError):
        _ = otel_llm.nothing


def test_an_unknown_setting_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="did you mean 'http_spans'"):
        otel_llm.instrument(http_span=True)


def test_a_value_that_cannot_be_read_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_LLM_HTTP_SPANS", "maybe")
    with pytest.raises(UsageError, match="OTEL_LLM_HTTP_SPANS='maybe': not true or false"):
        otel_llm.instrument()
    monkeypatch.setenv("OTEL_LLM_HTTP_SPANS", "")
    monkeypatch.setenv("OTEL_LLM_HOSTS", "llm.example.com")
    with pytest.raises(UsageError, match="host=provider"):
        otel_llm.instrument()


HOOKS = [
    "otel_llm.recognition.Recogniser.recognise",
    "otel_llm.driver.Driver.open",
    "otel_llm.driver.Call._usage",
    "otel_llm.driver.Call._result_attributes",
    "otel_llm.driver.Call._price",
    "otel_llm.driver.Call._read_content",
    "otel_llm.event_stream.EventRecorder._see",
    "otel_llm.exchange.read_document",
    "otel_llm.transports.httpx._decoder",
]


@pytest.mark.parametrize("where", HOOKS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_fault_of_ours_is_counted_and_never_the_apps(
    monkeypatch: pytest.MonkeyPatch, standin: Standin, where: str, stream: bool
) -> None:
    def broken(*args: Any, **kwargs: Any) -> Any:
        raise ZeroDivisionError

    recorded = Recorded(raise_errors=False, capture_content="SPAN_ONLY")
    failures.counts.clear()
    monkeypatch.setattr(where, broken)
    try:
        with openai.OpenAI(api_key="k", base_url=standin.openai_url, max_retries=0) as client:
            answer: Any = client.chat.completions.create(**BODY, stream=stream)
            assert list(answer) if stream else answer.choices
    finally:
        otel_llm.uninstrument()
    not_reached = (stream and "read_document" in where) or (not stream and ("_see" in where or "_decoder" in where))
    assert (sum(failures.counts.values()) > 0) is not not_reached
    is_seen = not any(name in where for name in ("recognise", "open", "_decoder"))
    assert len(recorded.spans()) == 1 or not is_seen


def test_an_app_without_a_provider_is_left_alone(standin: Standin) -> None:
    code = f"""
import otel_llm, httpx2
otel_llm.instrument()
answer = httpx2.post({standin.openai_url + "/chat/completions"!r}, json={BODY!r}, headers={{"traceparent": "x"}})
print(answer.status_code)
"""
    assert python(code).stdout.strip() == "200"
    assert "traceparent" not in dict(standin.calls[0].headers)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_makes_spans_of_its_own(recorded: Recorded, standin: Standin) -> None:
    finisher.start()
    read, write = os.pipe()
    with openai.OpenAI(api_key="k", base_url=standin.openai_url) as client:
        client.chat.completions.create(**BODY)
        assert len(recorded.spans()) == 1
        pid = os.fork()
        if pid == 0:  # pragma: no cover - the child
            try:
                recorded.exporter.clear()
                with openai.OpenAI(api_key="k", base_url=standin.openai_url) as other:
                    other.chat.completions.create(**BODY)
                os.write(write, str(len(recorded.spans())).encode())
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
    assert os.read(read, 10) == b"1"


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_stream_open_at_a_fork_is_the_parents(recorded: Recorded, standin: Standin) -> None:
    with openai.OpenAI(api_key="k", base_url=standin.openai_url) as client:
        events: Any = client.chat.completions.create(**BODY, stream=True)
        next(iter(events))
        pid = os.fork()
        if pid == 0:  # pragma: no cover - the child
            code = 9
            try:
                del events
                gc.collect()
                code = len(recorded.spans())
            finally:
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        list(events)
    assert recorded.call()


def test_a_call_made_before_prices_are_loaded_is_priced_all_the_same() -> None:
    reply = {"id": "x", "model": "gpt-4o-mini", "choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5}}
    with RawServer(lambda c: c.json(reply)) as server:
        code = f"""
import otel_llm, httpx2
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from otel_llm.finisher import finisher
provider, exporter = TracerProvider(), InMemorySpanExporter()
provider.add_span_processor(SimpleSpanProcessor(exporter))
otel_llm.instrument(tracer_provider=provider)
httpx2.post({server.url + "/v1/chat/completions"!r}, json={BODY!r})
early = not finisher.prices_ready
provider.force_flush()
(span,) = exporter.get_finished_spans()
print(early, span.attributes[{a.COST_AMOUNT!r}])
"""
        assert python(code).stdout.split() == ["True", "4.5e-06"]


def test_a_fork_while_prices_are_being_loaded_does_not_hang_the_child() -> None:
    code = """
import os, sys, time, warnings
warnings.simplefilter("ignore")
from otel_llm.finisher import finisher
finisher.start()
time.sleep(0.02)
children = []
for _ in range(5):
    pid = os.fork()
    if pid == 0:
        import genai_prices.data
        finisher.start()
        finisher.drain(10)
        os._exit(0 if finisher.prices_ready else 1)
    children.append(pid)
print([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children])
"""
    assert python(code).stdout.strip() == "[0, 0, 0, 0, 0]"


def test_a_request_under_suppression_makes_no_span_and_still_leaves_clean(recorded: Recorded, standin: Standin) -> None:
    with suppress_instrumentation(), httpx2.Client() as client:
        client.post(standin.openai_url + "/chat/completions", json=BODY, headers={"traceparent": "x"})
    assert recorded.spans() == []
    assert "traceparent" not in dict(standin.calls[0].headers)


def test_init_leaves_a_provider_of_the_apps_own_that_exports_alone() -> None:
    code = """
import otel_llm
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
mine = TracerProvider()
mine.add_span_processor(SimpleSpanProcessor(InMemorySpanExporter()))
trace.set_tracer_provider(mine)
otel_llm.init()
print(trace.get_tracer_provider() is mine, len(mine._active_span_processor._span_processors))
"""
    assert python(code).stdout.strip() == "True 2"  # the app's own, and the one that gives sessions to spans


def test_what_cannot_be_priced_or_read_leaves_the_rest_of_the_span(
    monkeypatch: pytest.MonkeyPatch, standin: Standin
) -> None:
    def broken(*args: Any, **kwargs: Any) -> Any:
        raise ZeroDivisionError

    recorded = Recorded(raise_errors=False, capture_content="SPAN_ONLY")
    monkeypatch.setattr(finisher, "price_at", broken)
    monkeypatch.setattr("otel_llm.content.Capture.attributes", broken)
    failures.counts.clear()
    with openai.OpenAI(api_key="k", base_url=standin.openai_url) as client:
        client.chat.completions.create(**BODY)
    found = recorded.attributes()
    otel_llm.uninstrument()
    assert found[a.USAGE_STATUS] == "reported"
    assert a.COST_STATUS not in found
    assert sum(failures.counts.values()) == 2


OPEN_AT_EXIT = """
import otel_llm, httpx2, sys
otel_llm.instrument()
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter(formatter=lambda span: span.name + "\\n")))
trace.set_tracer_provider(provider)
body = {"model": "gpt-4o", "messages": [], "stream": True}
client = httpx2.Client()
response = client.send(client.build_request("POST", sys.argv[1], json=body), stream=True)
chunks = response.iter_bytes()
next(chunks)
"""


def test_a_stream_open_at_exit_is_exported_where_the_provider_came_later() -> None:
    def endless(connection: Connection) -> None:
        connection.head(content_type="text/event-stream")
        connection.send(b'data: {"id": "x", "model": "gpt-4o", "choices": []}\n\n')
        server.stopping.wait(30)

    server = RawServer(endless)
    with server:
        code = OPEN_AT_EXIT.replace("sys.argv[1]", repr(server.url + "/v1/chat/completions"))
        assert python(code).stdout.splitlines() == ["chat gpt-4o"]


def test_the_end_of_a_provider_ends_what_is_open_on_it_and_on_no_other(recorded: Recorded, standin: Standin) -> None:
    with openai.OpenAI(api_key="k", base_url=standin.openai_url) as client:
        events: Any = client.chat.completions.create(**BODY, stream=True)
        next(iter(events))
        TracerProvider(shutdown_on_exit=False).shutdown()
        assert recorded.spans() == []
        recorded.provider.shutdown()
        assert recorded.call().name == "chat gpt-4o"
        list(events)


def test_of_a_body_that_is_too_long_to_parse_the_models_name_is_read(recorded: Recorded) -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 5}
    reply = {"id": "x", "model": "gpt-4o-mini", "choices": [], "usage": usage}
    sent = httpx2.MockTransport(lambda _: httpx2.Response(200, json=reply))
    written = b'{"model":"asked","messages":[{"role":"user","content":"%s"}],"user":"alice"}'
    with httpx2.Client(transport=sent) as client:
        client.post("http://llm.test/v1/chat/completions", content=written % (b"x" * BODY_BYTES_MAX))
        client.post("http://llm.test/v1/messages", content=b'{"to":"bob","text":"%s"}' % (b"x" * BODY_BYTES_MAX))
    (span,) = recorded.spans()
    found = dict(span.attributes or {})
    assert span.name == "chat asked"
    assert found[a.REQUEST_MODEL] == "asked"
    assert a.USER_ID not in found
    assert (found[a.RESPONSE_MODEL], found[a.COST_STATUS]) == ("gpt-4o-mini", "exact")


IMAGE = "A" * 4_000_000  # base64 of 3 MB
LARGE: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": (
        "/v1/chat/completions",
        {
            "model": "m",
            "user": "alice",
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{IMAGE}"}}],
                }
            ],
        },
    ),
    "responses": (
        "/v1/responses",
        {
            "model": "m",
            "user": "alice",
            "input": [
                {
                    "role": "user",
                    "content": [{"type": "input_image", "image_url": f"data:image/png;base64,{IMAGE}"}],
                }
            ],
        },
    ),
    "gemini": (
        "/v1beta/models/m:generateContent",
        {"contents": [{"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": IMAGE}}]}]},
    ),
}


@pytest.mark.parametrize(("path", "asked"), LARGE.values(), ids=LARGE)
def test_a_large_picture_goes_along_as_its_size_and_hash_at_a_host_that_nobody_names(
    capturing: Recorded, path: str, asked: dict[str, Any]
) -> None:
    sent = httpx2.MockTransport(lambda _: httpx2.Response(200, json={}))
    with httpx2.Client(transport=sent) as client:
        client.post("http://llm.test" + path, json=asked)
    (span,) = capturing.spans()
    found = dict(span.attributes or {})
    assert found.get(a.USER_ID) == asked.get("user")
    (message,) = json.loads(str(found[a.INPUT_MESSAGES]))
    (part,) = message["parts"]
    assert part["mime_type"] == "image/png"
    assert (part["size_bytes"], part["sha256"]) == (3_000_000, hashlib.sha256(bytes(3_000_000)).hexdigest())


def test_a_body_that_nests_too_deep_is_the_apps_own(recorded: Recorded) -> None:
    deep = b"[" * 100_000
    with RawServer(lambda c: c.json({})) as server, httpx2.Client() as client:
        assert client.post(server.url + "/v1/chat/completions", content=deep).status_code == 200
    assert recorded.spans() == []


def test_the_resource_is_what_the_environment_says() -> None:
    code = """
import otel_llm
otel_llm.init()
from opentelemetry import trace
found = trace.get_tracer_provider().resource.attributes
print(found["service.name"], found["team"])
"""
    named = {"OTEL_SERVICE_NAME": "shop", "OTEL_RESOURCE_ATTRIBUTES": "team=blue,service.name=other"}
    assert python(code, **named).stdout.strip() == "shop blue"


def test_a_body_that_is_not_encoded_as_it_says_fails_the_app_alone(
    recorded: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    def garbled(connection: Connection) -> None:
        connection.head(content_type="text/event-stream", content_encoding="gzip")
        connection.send(b"not gzip at all")

    body = {"model": "gpt-4o", "messages": [], "stream": True}
    with RawServer(garbled) as server, httpx2.Client() as client:
        opened = client.stream("POST", server.url + "/v1/chat/completions", json=body)
        with opened as response, pytest.raises(httpx2.DecodingError):
            list(response.iter_bytes())
    span = recorded.call()
    assert (span.attributes or {})[a.USAGE_STATUS] == "partial"
    assert caplog.records == []


ORDER = ("model", "embeddings", "prompt_eval_count", "total_duration")


@pytest.mark.parametrize("order", list(itertools.permutations(ORDER)))
def test_an_embedding_of_ollama_is_read_whatever_the_order(recorded: Recorded, order: tuple[str, ...]) -> None:
    said = {"model": "nomic", "embeddings": [[0.1, 0.2]], "prompt_eval_count": 4, "total_duration": 9}
    answer = httpx2.MockTransport(lambda _: httpx2.Response(200, json={name: said[name] for name in order}))
    with httpx2.Client(transport=answer) as client:
        client.post("http://llm.test/api/embed", json={"model": "nomic", "input": "x"})
    (span,) = recorded.spans()
    found = dict(span.attributes or {})
    assert (found[a.USAGE_INPUT_TOKENS], found[a.RESPONSE_MODEL]) == (4, "nomic")
