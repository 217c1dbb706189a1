"""MCP 1.x, which traces nothing itself: where both sides send a request, and where the server answers one."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any, get_args

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind
from opentelemetry.util.types import AttributeValue

from otel_llm_semconv import attributes as a

from ..failures import guarded
from ..patching import patch
from .mcp import PROPAGATOR, current, current_request, describe_server, extract, note_result, refuse, sending, start


def instrument_client(module: ModuleType) -> None:
    """Follow what sessions send, a server's requests to its client included."""
    patch(import_module("mcp.shared.session").BaseSession, "send_request", lambda send: sending(send, _open))


def instrument_server(module: ModuleType) -> None:
    """Follow what a server handles."""
    patch(module.Server, "_handle_request", _handling)
    patch(import_module("mcp.shared.session").RequestResponder, "respond", _responding)


def _open(session: Any, request: Any) -> tuple[Span, Any]:
    """The span, and a copy of the request that names it."""
    root = request.root.model_copy()
    found: dict[str, AttributeValue] = {a.JSONRPC_REQUEST_ID: str(session._request_id)}
    span = start(SpanKind.CLIENT, root.method, root.params, found)
    carrier: dict[str, str] = {}
    PROPAGATOR.inject(carrier, context=trace.set_span_in_context(span))
    guarded(_write_meta, root, carrier)
    return span, type(request)(root)


def _write_meta(root: Any, carrier: dict[str, str]) -> None:
    params = root.params
    kind = type(params) if params is not None else _kind_of(type(root).model_fields["params"].annotation)
    meta = kind.Meta if params is None or params.meta is None else type(params.meta)
    before = {} if params is None or params.meta is None else params.meta.model_dump(exclude_none=True)
    meta = meta(**before, **carrier)
    root.params = kind(_meta=meta) if params is None else params.model_copy(update={"meta": meta})


def _kind_of(annotation: Any) -> Any:
    """The class of parameters that may be left out."""
    return next(each for each in get_args(annotation) if hasattr(each, "Meta"))


def _handling(handle: Callable[..., Any]) -> Callable[..., Any]:
    async def hooked(server: Any, message: Any, req: Any, *args: Any, **kwargs: Any) -> Any:
        context = guarded(_context, message)
        span = guarded(_start, message, req, context)
        if span is None:
            return await handle(server, message, req, *args, **kwargs)
        with current(span, context):
            guarded(_describe, message)
            return await handle(server, message, req, *args, **kwargs)

    return hooked


def _start(message: Any, req: Any, context: Context | None) -> Span:
    found: dict[str, AttributeValue] = {a.JSONRPC_REQUEST_ID: str(message.request_id)}
    return start(SpanKind.SERVER, req.method, req.params, found, context)


def _describe(message: Any) -> None:
    describe_server(getattr(message.message_metadata, "request_context", None), None)


def _context(message: Any) -> Any:
    return extract(getattr(message.request_meta, "model_extra", None))


def _responding(respond: Callable[..., Any]) -> Callable[..., Any]:
    async def hooked(responder: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        guarded(_note, response)
        return await respond(responder, response, *args, **kwargs)

    return hooked


def _note(response: Any) -> None:
    span = current_request()
    if span is not None and hasattr(response, "code"):
        refuse(span, response)
    elif span is not None:
        note_result(span, getattr(response, "root", response))
