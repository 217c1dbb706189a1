"""MCP: requests as spans on both sides, one trace over pipes and HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import mcp
import pytest
from app.recording import Recorded
from mcp import Client
from mcp.server import MCPServer
from opentelemetry import baggage, trace
from opentelemetry import context as otel_context
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind
from sdks.mcp.server import server
from sdks.spanfile import read
from sdks.tree import attributes, tree
from sdks.ward import ask_for_anna, over_http, stdio

import otel_llm
from otel_llm_semconv import attributes as a

pytestmark = pytest.mark.sdk("mcp")
SERVER = Path(__file__).with_name("server.py")


def talk(target: Any, conversation: Callable[[Client], Awaitable[object]], **options: Any) -> None:
    """Connect, talk, hang up."""

    async def main() -> None:
        async with Client(target, **options) as client:
            await conversation(client)

    before = otel_context.get_current()
    asyncio.run(main())
    assert otel_context.get_current() is before


@pytest.fixture
def url() -> Iterator[str]:
    app = MCPServer("ward", tools=server._tool_manager.list_tools()).streamable_http_app()
    with over_http(lambda _: app) as url:
        yield url


def kinds(spans: list[ReadableSpan], name: str) -> dict[SpanKind, ReadableSpan]:
    """The two sides of a request."""
    return {span.kind: span for span in spans if span.name == name}


@pytest.mark.feature("stdio", "tool")
def test_one_trace_across_two_processes(recorded: Recorded, tmp_path: Path) -> None:
    with otel_llm.agent("nurse"):
        talk(stdio(SERVER, tmp_path / "spans"), ask_for_anna)
    spans = recorded.spans()
    (agent,) = [span for span in spans if span.name == "invoke_agent nurse"]
    (sent,) = [span for span in spans if span.name == "tools/call look_up"]
    assert sent.kind is SpanKind.CLIENT
    assert sent.parent == agent.context
    found = attributes(sent)
    assert found[a.MCP_METHOD] == "tools/call"
    assert (found[a.OPERATION], found[a.TOOL_NAME]) == ("execute_tool", "look_up")
    assert found[a.JSONRPC_REQUEST_ID].isdigit()
    assert found[a.MCP_PROTOCOL_VERSION]
    assert found[a.NETWORK_TRANSPORT] == "pipe"
    assert found[a.AGENT_NAME] == "nurse"
    (served,) = [span for span in read(tmp_path / "spans") if span["name"] == "tools/call look_up"]
    assert served["kind"] == "SpanKind.SERVER"
    assert served["context"]["trace_id"] == f"0x{sent.context.trace_id:032x}"
    assert served["parent_id"] == f"0x{sent.context.span_id:016x}"
    assert served["attributes"][a.TOOL_NAME] == "look_up"
    assert served["attributes"][a.JSONRPC_REQUEST_ID] == found[a.JSONRPC_REQUEST_ID]
    assert served["attributes"][a.MCP_PROTOCOL_VERSION] == found[a.MCP_PROTOCOL_VERSION]
    assert served["attributes"][a.NETWORK_TRANSPORT] == "pipe"
    ids = {f"0x{span.context.span_id:016x}" for span in spans}
    assert all(span["parent_id"] in ids for span in read(tmp_path / "spans") if "notifications" not in span["name"])


@pytest.mark.feature("streamable http")
@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_one_trace_over_http(recorded: Recorded, url: str, mode: str) -> None:
    with recorded.tracer.start_as_current_span("request"):
        talk(url, ask_for_anna, mode=mode)
    sides = kinds(recorded.spans(), "tools/call look_up")
    sent, served = sides[SpanKind.CLIENT], sides[SpanKind.SERVER]
    assert served.parent is not None
    assert (served.context.trace_id, served.parent.span_id) == (sent.context.trace_id, sent.context.span_id)
    for found in (attributes(sent), attributes(served)):
        assert (found[a.NETWORK_TRANSPORT], found[a.NETWORK_PROTOCOL]) == ("tcp", "http")
        assert (a.MCP_SESSION_ID in found) == (mode == "legacy"), "the newer protocol has no sessions"
    assert attributes(sent).get(a.MCP_SESSION_ID) == attributes(served).get(a.MCP_SESSION_ID)
    assert attributes(sent)[a.SERVER_ADDRESS] == "127.0.0.1"
    assert attributes(sent)[a.SERVER_PORT] == int(url.split(":")[2].split("/", maxsplit=1)[0])


@pytest.mark.feature("prompts", "resources")
def test_prompts_resources_and_lists(recorded: Recorded) -> None:
    async def ask(client: Client) -> None:
        await client.list_tools()
        await client.get_prompt("greeting", {"name": "Anna"})
        await client.read_resource("ward://beds")

    talk(server, ask, mode="legacy")
    spans = recorded.spans()
    lines = [line for line in tree(spans).splitlines() if "initialize" not in line and "discover" not in line]
    both = ("tools/list", "prompts/get greeting", "resources/read")
    assert lines == [line for name in both for line in (name, f"  {name}")]
    for kind in (SpanKind.CLIENT, SpanKind.SERVER):
        assert attributes(kinds(spans, "prompts/get greeting")[kind])[a.PROMPT_NAME] == "greeting"
        assert attributes(kinds(spans, "resources/read")[kind])[a.MCP_RESOURCE_URI] == "ward://beds"
        assert a.OPERATION not in attributes(kinds(spans, "resources/read")[kind])


@pytest.mark.feature("errors")
def test_failures_are_on_both_sides(recorded: Recorded) -> None:
    async def ask(client: Client) -> None:
        assert (await client.call_tool("lose", {"patient": "Anna"})).is_error
        for refused in (client.get_prompt("nothing"), client.read_resource("ward://nothing")):
            with pytest.raises(mcp.MCPError):
                await refused

    talk(server, ask, mode="legacy")
    lines = [line for line in tree(recorded.spans()).splitlines() if "!" in line]
    assert lines == [
        "tools/call lose !tool_error",
        "  tools/call lose !tool_error",
        "prompts/get nothing !0",
        "  prompts/get nothing !ValueError",
        "resources/read !-32602",
        "  resources/read !-32602",
    ]
    assert all(attributes(s)[a.RPC_STATUS] == "-32602" for s in recorded.spans() if s.name == "resources/read")


@pytest.mark.feature("content")
def test_arguments_and_results_where_content_is_captured(capturing: Recorded) -> None:
    talk(server, ask_for_anna, mode="legacy")
    for span in kinds(capturing.spans(), "tools/call look_up").values():
        assert attributes(span)[a.TOOL_CALL_ARGUMENTS] == '{"patient":"Anna"}'
        assert "no known allergies" in attributes(span)[a.TOOL_CALL_RESULT]


@pytest.mark.feature("content")
def test_no_arguments_and_results_otherwise(recorded: Recorded) -> None:
    talk(server, ask_for_anna, mode="legacy")
    for span in kinds(recorded.spans(), "tools/call look_up").values():
        assert not {a.TOOL_CALL_ARGUMENTS, a.TOOL_CALL_RESULT} & set(attributes(span))


@pytest.mark.feature("privacy")
def test_nothing_but_trace_context_leaves(recorded: Recorded) -> None:
    metas: list[dict[str, Any]] = []
    watching = MCPServer("watching", tools=server._tool_manager.list_tools())

    async def watch(ctx: Any, call_next: Any) -> Any:
        metas.append(dict(ctx.meta or {}))
        return await call_next(ctx)

    watching._lowlevel_server.middleware.append(watch)
    token = otel_context.attach(baggage.set_baggage("secret", "s3cr3t"))
    try:
        with otel_llm.session("visit-1"), otel_llm.user("anna"):

            async def main() -> None:
                async with Client(watching, mode="legacy") as client:
                    await client.call_tool("look_up", {"patient": "Anna"})

            asyncio.run(main())
    finally:
        otel_context.detach(token)
    assert any("traceparent" in meta for meta in metas)
    assert not any(word in str(metas) for word in ("s3cr3t", "baggage", "visit-1", "anna"))


@pytest.mark.feature("parallel")
def test_requests_beside_each_other_do_not_mix(recorded: Recorded) -> None:
    async def ask(client: Client) -> None:
        async def one(number: int) -> None:
            with otel_llm.agent(f"agent{number}"):
                await client.call_tool("look_up", {"patient": "Anna"})

        await asyncio.gather(*(one(number) for number in range(5)))

    talk(server, ask, mode="legacy")
    lines = tree(recorded.spans())
    for number in range(5):
        below = f"invoke_agent agent{number}\n  tools/call look_up\n    tools/call look_up"
        assert below in lines


@pytest.mark.feature("native tracing")
def test_the_sdks_own_spans_are_not_there_twice(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tracer is the global provider's, which an app has usually set."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    monkeypatch.setattr(trace._TRACER_PROVIDER_SET_ONCE, "_done", False)
    trace.set_tracer_provider(recorded.provider)
    talk(server, ask_for_anna, mode="legacy")
    names = [span.name for span in recorded.spans() if "look_up" in span.name]
    assert names == ["tools/call look_up"] * 2
    assert {span.instrumentation_scope.name for span in recorded.spans()} == {a.SCOPE_APP}  # type: ignore[union-attr]


@pytest.mark.feature("uninstrument")
def test_uninstrument_restores(recorded: Recorded) -> None:
    from mcp.client.session import ClientSession
    from mcp.server import _otel
    from mcp.shared import jsonrpc_dispatcher

    def state() -> list[Any]:
        return [
            ClientSession.send_request,
            jsonrpc_dispatcher.otel_span,
            jsonrpc_dispatcher.inject_trace_context,
            _otel.otel_span,
            _otel.extract_trace_context,
            _otel.OpenTelemetryMiddleware.__call__,
        ]

    patched = state()
    otel_llm.uninstrument()
    assert all(one.__module__.startswith("mcp.") for one in state())
    assert not set(map(id, patched)) & set(map(id, state()))
    talk(server, ask_for_anna, mode="legacy")
    assert recorded.spans() == []
