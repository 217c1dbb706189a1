"""MCP: each request a span on both sides, `tools/call NAME`, in one trace by the trace context in its `_meta`.

From 2.0 on the SDK traces itself, on the global provider, without all that the conventions ask for, and lets the app's
propagator put whatever it likes into `_meta`. Our spans take the place of its spans, so there is one a side; it still
writes on them how a request ended. For 1.x, which traces nothing, see `mcp_v1.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any, Final
from urllib.parse import urlsplit

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from otel_llm_semconv import attributes as a

from ..encodable import clean, clean_attributes, message_of
from ..entered import Entries
from ..failures import guarded, shielded
from ..patching import patch, patch_path
from ..redaction import redacted
from ..tracing import tracer
from .steps import captures, written

#: W3C trace context alone, whatever the app's own propagator is: nothing else leaves with a request.
PROPAGATOR: Final = TraceContextTextMapPropagator()
TOOL_CALL: Final = "tools/call"
TOOL_FAILED: Final = "tool_error"  # of a call that was answered, with what went wrong in the tool
_PROMPT: Final = "prompts/get"
_NATIVE_PREFIX: Final = "MCP send "
_SESSION_HEADER: Final = "mcp-session-id"
_HTTP: Final = "mcp.client.streamable_http:StreamableHTTPTransport._prepare_headers"
_REQUEST: Final = otel_context.create_key("otel-llm-mcp-request")


def instrument(module: ModuleType) -> None:
    """Follow the requests of `mcp.client.session` or of `mcp.server.lowlevel.server`."""
    is_client = hasattr(module, "ClientSession")
    if "send_request" not in vars(import_module("mcp.client.session").ClientSession):
        from . import mcp_v1

        (mcp_v1.instrument_client if is_client else mcp_v1.instrument_server)(module)
    elif is_client:
        _instrument_client(module)
    else:
        _instrument_server()


def _instrument_client(module: ModuleType) -> None:
    dispatcher = import_module("mcp.shared.jsonrpc_dispatcher")
    patch(dispatcher, "otel_span", lambda native: _span)
    patch(dispatcher, "inject_trace_context", lambda native: _inject)
    patch(module.ClientSession, "send_request", lambda send: sending(send, _open))
    patch_path(_HTTP, _describing)


def _instrument_server() -> None:
    native = import_module("mcp.server._otel")
    patch(native, "otel_span", lambda native: _span)
    patch(native, "extract_trace_context", lambda native: shielded(extract))
    patch(native.OpenTelemetryMiddleware, "__call__", _serving)


def sending(send: Callable[..., Any], open_request: Callable[[Any, Any], tuple[Span, Any]]) -> Callable[..., Any]:
    """A session's `send_request` inside the span of the request."""

    async def hooked(session: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        opened = guarded(open_request, session, request)
        if opened is None:
            return await send(session, request, *args, **kwargs)
        span, request = opened
        with current(span):
            result = await send(session, request, *args, **kwargs)
            guarded(note_result, span, result)
            return result

    return hooked


def _open(session: Any, request: Any) -> tuple[Span, Any]:
    version = session.protocol_version
    found: dict[str, AttributeValue] = {a.MCP_PROTOCOL_VERSION: str(version)} if version else {}
    streams = getattr(session, "_dispatcher", None)
    if type(getattr(streams, "_write_stream", None)).__module__.startswith("anyio."):
        found[a.NETWORK_TRANSPORT] = "pipe"  # all other transports of the SDK have streams of its own
    return start(SpanKind.CLIENT, request.method, request.params, found), request


def start(
    kind: SpanKind,
    method: str,
    params: Any,
    attributes: Mapping[str, AttributeValue],
    context: Context | None = None,
) -> Span:
    """The span of a request, by its method and its parameters, a model or a mapping."""
    read = _reading(params)
    found: dict[str, AttributeValue] = {a.MCP_METHOD: method, **attributes}
    name, uri = read("name"), read("uri")
    target = name if isinstance(name, str) else None
    if method == TOOL_CALL and target:
        found |= {a.OPERATION: a.OPERATION_EXECUTE_TOOL, a.TOOL_NAME: target, **_arguments(read("arguments"))}
    elif method == _PROMPT and target:
        found[a.PROMPT_NAME] = target
    if uri is not None:
        found[a.MCP_RESOURCE_URI] = str(uri)
    title = clean(f"{method} {target}" if target else method)
    return tracer().start_span(title, context=context, kind=kind, attributes=clean_attributes(found))


def _reading(params: Any) -> Callable[[str], Any]:
    return params.get if isinstance(params, Mapping) else lambda name: getattr(params, name, None)


def _arguments(arguments: Any) -> dict[str, AttributeValue]:
    text = None if arguments is None else written(arguments)
    return {} if text is None else {a.TOOL_CALL_ARGUMENTS: text}


@contextmanager
def current(span: Span, context: Context | None = None) -> Iterator[Span]:
    """The running code inside the span of a request, which ends with it."""
    entries: Entries[None] = Entries()
    guarded(_enter, entries, span, context)
    try:
        yield span
    except BaseException as error:
        guarded(fail, span, error)
        raise
    finally:
        guarded(entries.leave)
        guarded(span.end)


def _enter(entries: Entries[None], span: Span, context: Context | None) -> None:
    entries.enter(otel_context.set_value(_REQUEST, span, trace.set_span_in_context(span, context)), None)


def current_request() -> Span | None:
    """The span of the request that the running code sends or serves."""
    span = otel_context.get_value(_REQUEST)
    return span if isinstance(span, Span) and span is trace.get_current_span() else None


def note_result(span: Span, result: Any) -> None:
    """What the answer to a call of a tool says: what went wrong in it, and its content where that is captured."""
    read = _reading(result)
    content = read("content")
    if not isinstance(content, list):
        return
    if read("is_error") or read("isError"):
        span.set_attribute(a.ERROR_TYPE, TOOL_FAILED)
        span.set_status(Status(StatusCode.ERROR))
    if captures() and (text := written([_plain(part) for part in content])) is not None:
        span.set_attribute(a.TOOL_CALL_RESULT, clean(text))


def _plain(part: Any) -> Any:
    return part if isinstance(part, Mapping) else part.model_dump(mode="json", exclude_none=True)


def fail(span: Span, error: BaseException) -> None:
    """Mark the span of a request that came to nothing: by the code of an error of MCP, else by its name."""
    told = getattr(error, "error", error)
    refuse(span, told) if hasattr(told, "code") else span.set_attribute(a.ERROR_TYPE, type(error).__qualname__)
    span.set_status(Status(StatusCode.ERROR, redacted(message_of(error))))


def refuse(span: Span, error: Any) -> None:
    """Mark the span of a request that was answered with an error of MCP."""
    code = str(error.code)
    span.set_attributes({a.ERROR_TYPE: code, a.RPC_STATUS: code})
    span.set_status(Status(StatusCode.ERROR, redacted(clean(str(error.message)))))


def extract(meta: Mapping[str, Any] | None) -> Context | None:
    """The running code's context below the span that sent a request, if its `_meta` names one."""
    carrier = {name: value for name, value in (meta or {}).items() if isinstance(value, str)}
    found = guarded(PROPAGATOR.extract, carrier, otel_context.get_current())
    return found if trace.get_current_span(found).get_span_context().is_remote else None


def _inject(meta: dict[str, Any]) -> None:
    guarded(PROPAGATOR.inject, meta)


@contextmanager
def _span(
    name: str,
    *,
    kind: SpanKind,
    attributes: Mapping[str, AttributeValue] | None = None,
    context: Context | None = None,
    **_: Any,
) -> Iterator[Span]:
    """What the SDK opens around a message: our span of the request, or one in its place with what it says."""
    found = {**(attributes or {})}
    request = guarded(current_request) if kind is SpanKind.CLIENT else None
    if request is not None:
        guarded(request.set_attributes, found)
        yield request
        return
    span = guarded(_start_other, kind, name, found, context)
    if span is None:
        yield trace.INVALID_SPAN
        return
    with current(span, context):
        yield span


def _start_other(kind: SpanKind, name: str, attributes: Mapping[str, AttributeValue], context: Context | None) -> Span:
    title = name.removeprefix(_NATIVE_PREFIX)
    method = str(attributes.get(a.MCP_METHOD) or title)
    target = title.removeprefix(method).strip()
    return start(kind, method, {"name": target or None}, attributes, context)


def _describing(prepare: Callable[..., dict[str, str]]) -> Callable[..., dict[str, str]]:
    """The SDK's transport sends each request over HTTP in the context of who sent it."""

    def hooked(transport: Any, *args: Any, **kwargs: Any) -> dict[str, str]:
        guarded(_describe, transport)
        return prepare(transport, *args, **kwargs)

    return hooked


def _describe(transport: Any) -> None:
    span = current_request()
    if span is None:
        return
    url = urlsplit(transport.url)
    found: dict[str, AttributeValue] = {a.NETWORK_TRANSPORT: "tcp", a.NETWORK_PROTOCOL: "http"}
    found[a.SERVER_ADDRESS] = url.hostname or ""
    if url.port:
        found[a.SERVER_PORT] = url.port
    if transport.session_id:
        found[a.MCP_SESSION_ID] = transport.session_id
    span.set_attributes(found)


def _serving(call: Callable[..., Any]) -> Callable[..., Any]:
    async def hooked(middleware: Any, ctx: Any, call_next: Callable[[Any], Any]) -> Any:
        async def inside(inner: Any) -> Any:
            guarded(_describe_context, ctx)
            result = await call_next(inner)
            guarded(_note_served, result)
            return result

        return await call(middleware, ctx, inside)

    return hooked


def _describe_context(ctx: Any) -> None:
    describe_server(ctx.request, ctx.params)


def describe_server(request: Any, params: Any) -> None:
    """Write on the current request's span what it came over, and what it asked for."""
    span = current_request()
    if span is None:
        return
    found: dict[str, AttributeValue] = {a.NETWORK_TRANSPORT: "pipe" if request is None else "tcp"}
    if request is not None:
        found[a.NETWORK_PROTOCOL] = "http"
        if session_id := request.headers.get(_SESSION_HEADER):
            found[a.MCP_SESSION_ID] = session_id
    read = _reading(params)
    if read("uri") is not None:
        found[a.MCP_RESOURCE_URI] = clean(str(read("uri")))
    span.set_attributes(clean_attributes(found | _arguments(read("arguments"))))


def _note_served(result: Any) -> None:
    span = current_request()
    if span is not None:
        note_result(span, result)
