"""MCP 1.x: requests as spans on both sides, one trace over pipes and HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from app.recording import Recorded
from mcp import ClientSession, McpError
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamablehttp_client
from mcp.shared.memory import create_connected_server_and_client_session as connected
from opentelemetry import context as otel_context
from opentelemetry.trace import SpanKind
from sdks.mcp_v1.server import serve_at
from sdks.spanfile import read
from sdks.tree import attributes, tree
from sdks.ward import ask_for_anna, over_http, stdio

import otel_llm
from otel_llm_semconv import attributes as a

pytestmark = pytest.mark.sdk("mcp")
SERVER = Path(__file__).with_name("server.py")
Conversation = Callable[[ClientSession], Awaitable[object]]


def talk(streams: AbstractAsyncContextManager[Any], conversation: Conversation) -> None:
    """Connect, talk, hang up."""

    async def main() -> None:
        async with streams as (reading, writing, *_), ClientSession(reading, writing) as client:
            await client.initialize()
            await conversation(client)

    before = otel_context.get_current()
    asyncio.run(main())
    assert otel_context.get_current() is before


def talk_here(conversation: Conversation) -> None:
    """The same with a server in this process."""

    async def main() -> None:
        async with connected(serve_at()._mcp_server) as client:
            await conversation(client)

    asyncio.run(main())


@pytest.fixture
def url() -> Iterator[str]:
    with over_http(lambda port: serve_at(port).streamable_http_app()) as url:
        yield url


@pytest.mark.feature("stdio", "tool")
def test_one_trace_across_two_processes(recorded: Recorded, tmp_path: Path) -> None:
    async def ask(client: ClientSession) -> None:
        await client.list_tools()
        await ask_for_anna(client)

    with otel_llm.agent("nurse"):
        talk(stdio_client(stdio(SERVER, tmp_path / "spans")), ask)
    sent = {span.name: span for span in recorded.spans()}
    served = {span["name"]: span for span in read(tmp_path / "spans")}
    for name in ("tools/list", "tools/call look_up"):
        assert sent[name].kind is SpanKind.CLIENT
        assert sent[name].parent == sent["invoke_agent nurse"].context
        assert served[name]["kind"] == "SpanKind.SERVER"
        assert served[name]["parent_id"] == f"0x{sent[name].context.span_id:016x}"
        assert served[name]["context"]["trace_id"] == f"0x{sent[name].context.trace_id:032x}"
        assert served[name]["attributes"][a.JSONRPC_REQUEST_ID] == attributes(sent[name])[a.JSONRPC_REQUEST_ID]
    found = attributes(sent["tools/call look_up"])
    assert (found[a.MCP_METHOD], found[a.OPERATION], found[a.TOOL_NAME]) == ("tools/call", "execute_tool", "look_up")


@pytest.mark.feature("streamable http")
def test_one_trace_over_http(recorded: Recorded, url: str) -> None:
    with recorded.tracer.start_as_current_span("request"):
        talk(streamablehttp_client(url), ask_for_anna)
    sides = {span.kind: span for span in recorded.spans() if span.name == "tools/call look_up"}
    sent, served = sides[SpanKind.CLIENT], sides[SpanKind.SERVER]
    assert served.parent is not None
    assert (served.context.trace_id, served.parent.span_id) == (sent.context.trace_id, sent.context.span_id)
    found = attributes(served)
    assert (found[a.NETWORK_TRANSPORT], found[a.NETWORK_PROTOCOL]) == ("tcp", "http")
    assert found[a.MCP_SESSION_ID]


@pytest.mark.feature("errors")
def test_failures_are_on_both_sides(recorded: Recorded) -> None:
    async def ask(client: ClientSession) -> None:
        assert (await client.call_tool("lose", {"patient": "Anna"})).isError
        with pytest.raises(McpError):
            await client.get_prompt("nothing")

    talk_here(ask)
    assert [line for line in tree(recorded.spans()).splitlines() if "!" in line] == [
        "tools/call lose !tool_error",
        "  tools/call lose !tool_error",
        "prompts/get nothing !0",
        "  prompts/get nothing !0",
    ]


@pytest.mark.feature("content")
def test_arguments_and_results_where_content_is_captured(capturing: Recorded) -> None:
    talk_here(ask_for_anna)
    calls = [attributes(span) for span in capturing.spans() if span.name == "tools/call look_up"]
    assert [call[a.TOOL_CALL_ARGUMENTS] for call in calls] == ['{"patient":"Anna"}'] * 2
    assert all("no known allergies" in call[a.TOOL_CALL_RESULT] for call in calls)


@pytest.mark.feature("metadata")
def test_what_the_app_puts_into_the_metadata_stays(recorded: Recorded) -> None:
    meta = {"ward": "b", "progressToken": 7}
    seen: list[dict[str, Any]] = []

    async def main() -> None:
        server = serve_at()
        handle = server._mcp_server._handle_request

        async def watch(message: Any, *args: Any) -> Any:
            seen.append(message.request_meta.model_dump() if message.request_meta else {})
            return await handle(message, *args)

        server._mcp_server._handle_request = watch  # type: ignore[method-assign]
        async with connected(server._mcp_server) as client:
            await client.call_tool("look_up", {"patient": "Anna"}, meta=meta)

    asyncio.run(main())
    sent = seen[-2] if "ward" in seen[-2] else seen[-1]
    assert meta.items() <= sent.items()
    assert set(sent) - set(meta) == {"traceparent"}
    assert meta == {"ward": "b", "progressToken": 7}


@pytest.mark.feature("uninstrument")
def test_uninstrument_restores(recorded: Recorded) -> None:
    from mcp.server.lowlevel.server import Server
    from mcp.shared.session import BaseSession, RequestResponder

    patched = (BaseSession.send_request, Server._handle_request, RequestResponder.respond)
    otel_llm.uninstrument()
    restored = (BaseSession.send_request, Server._handle_request, RequestResponder.respond)
    assert [one.__wrapped__ for one in patched] == list(restored)
    talk_here(ask_for_anna)
    assert recorded.spans() == []
