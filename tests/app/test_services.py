"""What goes along to services of the user's own, over real sockets, and to nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import httpx
import httpx2
import openai
import pytest
import requests
from app.rawserver import Connection, RawServer
from app.recording import Recorded
from opentelemetry import baggage, propagate
from opentelemetry import context as otel_context
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.instrumentation.httpx import HTTPX2ClientInstrumentor
from opentelemetry.instrumentation.utils import suppress_instrumentation

import otel_llm
from otel_llm.inheritance import VALUE_CHARS_MAX
from otel_llm.propagation import HEADERS
from otel_llm_collector.demo.standin.server import Standin
from otel_llm_semconv import attributes as a

HELLO: Any = [{"role": "user", "content": "hello"}]
DECLARED = {
    a.SESSION_ID: "visit 1, Zürich",
    a.USER_ID: "alice",
    a.PROMPT_NAME: "triage",
    a.PROMPT_VERSION: "v3",
    a.PROPERTY_PREFIX + "urgent": "True",
    a.AGENT_NAME: "nurse",
}
Get = Callable[[str], None]


def _by_httpx(url: str) -> None:
    httpx.get(url, follow_redirects=True)


def _by_httpx2(url: str) -> None:
    httpx2.get(url, follow_redirects=True)


def _by_requests(url: str) -> None:
    requests.get(url, timeout=10)


def _by_aiohttp(url: str) -> None:
    async def main() -> None:
        async with aiohttp.ClientSession() as session, session.get(url, headers={"x-own": "1"}) as response:
            await response.read()

    asyncio.run(main())


def _by_httpx2_async(url: str) -> None:
    async def main() -> None:
        async with httpx2.AsyncClient(follow_redirects=True) as client:
            await client.get(url)

    asyncio.run(main())


WAYS: dict[str, Get] = {
    "httpx": _by_httpx,
    "httpx2": _by_httpx2,
    "httpx2, async": _by_httpx2_async,
    "requests": _by_requests,
    "aiohttp": _by_aiohttp,
}


@contextmanager
def declared() -> Iterator[None]:
    with (
        otel_llm.session("visit 1, Zürich"),
        otel_llm.user("alice"),
        otel_llm.prompt("triage", "v3"),
        otel_llm.properties(urgent=True),
        otel_llm.agent("nurse"),
    ):
        yield


@pytest.fixture
def handing() -> Iterator[Recorded]:
    yield Recorded(baggage_hosts=["127.0.0.1"], baggage_accept=True)
    otel_llm.uninstrument()


def told(request: Connection) -> dict[str, object]:
    """The baggage that arrived."""
    return dict(baggage.get_all(W3CBaggagePropagator().extract(request.headers, otel_context.Context())))


@pytest.mark.parametrize("get", WAYS.values(), ids=WAYS)
def test_a_service_is_told_and_its_calls_carry_it_in_one_trace(get: Get, handing: Recorded, standin: Standin) -> None:
    def serve(connection: Connection) -> None:
        otel_context.attach(propagate.extract(connection.headers))
        with openai.OpenAI(api_key="k", base_url=standin.openai_url) as client:
            client.chat.completions.create(model="gpt-4o", messages=HELLO)
        connection.json({})

    with RawServer(serve) as service:
        with declared():
            get(service.url + "/own")
        (request,) = service.requests
    assert told(request) == DECLARED
    found = handing.attributes()
    assert {name: str(found[name]) for name in DECLARED} == DECLARED
    step = next(span for span in handing.spans() if span.name == "invoke_agent nurse")
    call = handing.call()
    assert call.parent is not None
    assert step.context is not None
    assert (call.parent.trace_id, call.parent.span_id) == (step.context.trace_id, step.context.span_id)
    (asked,) = standin.calls
    assert not {name.lower() for name in dict(asked.headers)} & HEADERS, "a provider is told nothing"


@pytest.mark.parametrize("get", WAYS.values(), ids=WAYS)
def test_a_redirect_elsewhere_takes_nothing_along(get: Get, handing: Recorded) -> None:
    with RawServer(lambda c: c.json({})) as elsewhere:
        place = elsewhere.url.replace("127.0.0.1", "localhost")
        with RawServer(lambda c: c.json({}, 307, location=place + "/x")) as service, declared():
            get(service.url + "/own")
        assert HEADERS & set(service.requests[0].headers) == {"traceparent", "baggage"}
        assert HEADERS & set(elsewhere.requests[0].headers) == set()


@pytest.mark.parametrize("get", WAYS.values(), ids=WAYS)
def test_nobody_else_is_told(get: Get) -> None:
    for settings in (
        {},
        {"baggage_hosts": ["other.example"]},
        {"baggage_hosts": ["*"], "hosts": {"127.0.0.1": "openai"}},
    ):
        Recorded(**settings)
        with RawServer(lambda c: c.json({})) as server, declared():
            get(server.url + "/own")
        assert HEADERS & set(server.requests[0].headers) == set()
        otel_llm.uninstrument()


def test_a_provider_is_never_told_whatever_the_hosts_say() -> None:
    Recorded(baggage_hosts=["*", "127.0.0.1", ".com"])
    with (
        RawServer(lambda c: c.json({})) as server,
        declared(),
        openai.OpenAI(api_key="k", base_url=server.url) as client,
    ):
        client.chat.completions.create(model="gpt-4o", messages=HELLO)
        client.models.list()
    otel_llm.uninstrument()
    assert len(server.requests) == 2
    for request in server.requests:
        assert not set(request.headers) & HEADERS


@pytest.mark.parametrize(
    ("host", "named", "is_told"),
    [
        ("billing.internal", "billing.internal", True),
        ("Billing.Internal", "billing.internal", True),
        ("a.billing.internal", "billing.internal", False),
        ("a.svc.local", "*.svc.local", True),
        ("svc.local", "*.svc.local", False),
        ("a.b.corp.example", ".corp.example", True),
        ("evilcorp.example", ".corp.example", False),
        ("billing.internal.evil.example", "billing.internal", False),
        ("api.openai.com", "*", False),
        ("api.openai.com", "api.openai.com", False),
    ],
)
def test_hosts_are_names_and_patterns(host: str, named: str, is_told: bool) -> None:
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200)

    Recorded(baggage_hosts=[named])
    with declared(), httpx2.Client(transport=httpx2.MockTransport(answer)) as client:
        client.get(f"https://{host}/own")
    otel_llm.uninstrument()
    assert ("baggage" in seen[0].headers) == is_told


def test_baggage_of_the_apps_own_goes_along_too_beside_an_instrumentor(handing: Recorded) -> None:
    instrumentor = HTTPX2ClientInstrumentor()
    instrumentor.instrument(tracer_provider=handing.provider)
    own = otel_context.attach(baggage.set_baggage("tenant", "7"))
    try:
        with RawServer(lambda c: c.json({})) as service, declared():
            httpx2.get(service.url + "/own")
            with httpx2.Client(headers={"baggage": "given=1"}) as client:
                client.get(service.url.replace("127.0.0.1", "localhost"))
    finally:
        otel_context.detach(own)
        instrumentor.uninstrument()
    assert told(service.requests[0]) == DECLARED | {"tenant": "7"}
    assert told(service.requests[1]) == {"tenant": "7"}, "without us it is the same"
    spans = {span.context.span_id: span.name for span in handing.spans() if span.context is not None}
    sender = int(service.requests[0].headers["traceparent"].split("-")[2], 16)
    assert spans[sender] == "GET", "the instrumentor's own span is the parent on the other side"


def test_baggage_that_a_request_was_given_stays(handing: Recorded) -> None:
    with RawServer(lambda c: c.json({})) as service, otel_llm.user("alice"):
        httpx2.get(service.url, headers={"baggage": "given=1"})
    assert told(service.requests[0]) == {"given": "1", a.USER_ID: "alice"}


def test_a_request_inside_of_one_that_is_told_is_judged_by_its_own_host(handing: Recorded) -> None:
    with RawServer(lambda c: c.json({})) as elsewhere, RawServer(lambda c: c.json({})) as service:
        place = elsewhere.url.replace("127.0.0.1", "localhost")
        instrumentor = HTTPX2ClientInstrumentor()
        instrumentor.instrument(tracer_provider=handing.provider)
        hooks: Any = {"request": [lambda request: httpx2.get(place)]}
        with declared(), httpx2.Client(event_hooks=hooks) as client:
            client.get(service.url)
        instrumentor.uninstrument()
    assert told(service.requests[0]) == DECLARED
    assert told(elsewhere.requests[0]) == {}


def test_callers_are_believed_only_where_that_is_said(recorded: Recorded, standin: Standin) -> None:
    context = propagate.extract({"baggage": "user.id=mallory"})
    token = otel_context.attach(context)
    with openai.OpenAI(api_key="k", base_url=standin.openai_url) as client:
        client.chat.completions.create(model="gpt-4o", messages=HELLO)
    otel_context.detach(token)
    assert a.USER_ID not in recorded.attributes()


def test_what_the_service_says_itself_wins(handing: Recorded, standin: Standin) -> None:
    token = otel_context.attach(propagate.extract({"baggage": "user.id=alice,session.id=s,other=x"}))
    with otel_llm.user("bob"), openai.OpenAI(api_key="k", base_url=standin.openai_url) as client:
        client.chat.completions.create(model="gpt-4o", messages=HELLO)
    otel_context.detach(token)
    found = handing.attributes()
    assert (found[a.USER_ID], found[a.SESSION_ID]) == ("bob", "s")
    assert not [name for name in found if name.endswith("other")]


def test_what_no_header_can_hold_stays_at_home(handing: Recorded) -> None:
    odd: Any = {"two words": "x", "größe": "x", "long": "ü" * 5000, "ok": "a=b,c;d%"}
    with RawServer(lambda c: c.json({})) as service, otel_llm.properties(**odd):
        httpx2.get(service.url)
    assert told(service.requests[0]) == {
        a.PROPERTY_PREFIX + "ok": "a=b,c;d%",
        a.PROPERTY_PREFIX + "long": "ü" * VALUE_CHARS_MAX,
    }


def test_what_is_too_much_for_a_header_is_left_out_and_said(
    handing: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    many: Any = {f"k{number}": "x" * 200 for number in range(100)}
    with RawServer(lambda c: c.json({})) as service, otel_llm.properties(**many):
        httpx2.get(service.url)
    assert 30 < len(told(service.requests[0])) < 50
    assert "exceeded the maximum" in caplog.text


def test_exports_are_told_nothing(handing: Recorded) -> None:
    with RawServer(lambda c: c.json({})) as service, declared(), suppress_instrumentation():
        httpx2.get(service.url)
    assert HEADERS & set(service.requests[0].headers) == set()
