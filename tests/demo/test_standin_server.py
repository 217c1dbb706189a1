"""The stand-in fails on demand, serves many at once, and keeps secrets out of its log."""

from __future__ import annotations

import ast
import asyncio
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest

from otel_llm_collector.demo import standin as package
from otel_llm_collector.demo.standin import Fault, Standin

MESSAGES: Any = [{"role": "user", "content": "How urgent is a bent wrist?"}]


# --- failures -------------------------------------------------------------------------------------------------

STATUSES = [
    (400, openai.BadRequestError, anthropic.BadRequestError),
    (401, openai.AuthenticationError, anthropic.AuthenticationError),
    (429, openai.RateLimitError, anthropic.RateLimitError),
    (500, openai.InternalServerError, anthropic.InternalServerError),
    (529, openai.InternalServerError, anthropic.APIStatusError),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("case", STATUSES)
def test_a_status_is_raised_by_the_sdks(
    gpt: openai.OpenAI,
    claude: anthropic.Anthropic,
    standin: Standin,
    case: tuple[int, type[openai.APIStatusError], type[anthropic.APIStatusError]],
    stream: bool,
) -> None:
    status, gpt_error, claude_error = case
    with pytest.raises(gpt_error):
        gpt.chat.completions.create(model=f"standin-{status}", messages=MESSAGES, stream=stream)
    with pytest.raises(claude_error):
        claude.messages.create(model=f"standin-{status}", messages=MESSAGES, max_tokens=9, stream=stream)
    assert [(c.status, c.id, c.usage, c.fault) for c in standin.calls] == [(status, None, None, str(status))] * 2


def test_a_stream_can_end_in_an_error_event(gpt: openai.OpenAI, claude: anthropic.Anthropic, standin: Standin) -> None:
    with pytest.raises(openai.APIError, match="Overloaded"):
        list(gpt.chat.completions.create(model="standin-sse_error", messages=MESSAGES, stream=True))
    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        list(claude.messages.create(model="standin-sse_error", messages=MESSAGES, max_tokens=9, stream=True))
    by_gpt, by_claude = standin.calls
    assert by_gpt.usage is None
    assert by_claude.usage
    assert by_claude.usage["output_tokens"] == 1  # of message_start: the final count never came


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", ["cut", "drop"])
def test_the_connection_can_end_early(standin: Standin, kind: str, stream: bool) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        post(standin, {"model": f"standin-{kind}", "messages": MESSAGES, "stream": stream})
    assert standin.calls[0].fault == kind
    assert standin.calls[0].usage is None


def test_the_sdks_retry_what_the_header_fails(standin: Standin) -> None:
    with openai.OpenAI(base_url=standin.openai_url, api_key="x", max_retries=2) as client:
        headers = {"x-standin-fault": "429*2"}
        assert client.chat.completions.create(model="gpt-4o", messages=MESSAGES, extra_headers=headers).id
    assert [call.status for call in standin.calls] == [429, 429, 200]


def test_rules_fail_the_first_requests_that_match() -> None:
    rules = [Fault.parse("429:wrist:2"), Fault.parse("500:ankle"), Fault("503", "wrist", 1)]
    with Standin(faults=rules) as running:
        statuses = [post(running, {"model": "m", "messages": [m]}).status_code for m in ["wrist"] * 4 + ["ankle"] * 2]
        retry = running.calls[0]
    assert statuses == [429, 429, 503, 200, 500, 500]
    assert retry.fault == "429"


def test_a_share_of_requests_fails_at_random_but_always_the_same() -> None:
    def statuses() -> list[int]:
        with Standin(fail_rate=0.5, seed=3) as running:
            return [post(running, {"model": "m"}, cut_ok=True).status_code for _ in range(40)]

    first = statuses()
    assert first == statuses()
    assert 10 < sum(status == 200 for status in first) < 30


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown failure"):
        Fault.parse("teapot")
    with pytest.raises(ValueError, match="between 0 and 1"):
        Standin(fail_rate=2)


def test_bad_requests_get_the_providers_answer(standin: Standin) -> None:
    with httpx.Client() as client:
        assert client.post(f"{standin.url}/v1/messages", content=b"{").json()["type"] == "error"
        assert client.post(f"{standin.url}/v1/chat/completions", content=b"[]").status_code == 400
        assert client.post(f"{standin.url}/v1/other", content=b"{}").status_code == 404
        assert client.get(standin.url).status_code == 200


def post(
    standin: Standin, body: dict[str, Any], headers: dict[str, str] | None = None, cut_ok: bool = False
) -> httpx.Response:
    try:
        return httpx.post(f"{standin.openai_url}/chat/completions", json=body, headers=headers)
    except httpx.RemoteProtocolError:
        if not cut_ok:
            raise
        return httpx.Response(599)


# --- the server -----------------------------------------------------------------------------------------------


def test_fifty_streams_at_once_on_kept_connections(standin: Standin) -> None:
    options: Any = {"include_usage": True}

    async def ask(client: openai.AsyncOpenAI, i: int) -> str:
        messages: Any = [{"role": "user", "content": f"patient {i}"}]
        stream = await client.chat.completions.create(
            model="gpt-4o", messages=messages, stream=True, stream_options=options
        )
        return [chunk async for chunk in stream][-1].id

    async def ask_all() -> list[str]:
        async with openai.AsyncOpenAI(base_url=standin.openai_url, api_key="x") as client:
            first = await asyncio.gather(*(ask(client, i) for i in range(50)))
            return [*first, *await asyncio.gather(*(ask(client, i) for i in range(50, 100)))]

    ids = asyncio.run(ask_all())
    assert len(set(ids)) == 100
    assert {call.id for call in standin.calls} == set(ids)


def test_latency_and_chunks_take_the_time_asked_for() -> None:
    with Standin(latency_ms=80, chunk_ms=10) as running:
        body = {"model": "gpt-4o", "messages": MESSAGES, "stream": True}
        began = time.monotonic()
        with httpx.stream("POST", f"{running.openai_url}/chat/completions", json=body) as answer:
            events = [time.monotonic() - began for line in answer.iter_lines() if line]
    assert events[0] >= 0.08
    assert events[-1] - events[0] >= 0.01 * (len(events) - 2)


def test_a_slow_answer_is_right_but_late() -> None:
    with Standin(slow_ms=120) as running:
        began = time.monotonic()
        assert post(running, {"model": "standin-slow", "messages": MESSAGES}).status_code == 200
    assert time.monotonic() - began >= 0.12


@pytest.mark.parametrize("stream", [False, True])
def test_compressed_answers_say_the_same(standin: Standin, stream: bool) -> None:
    body = {"model": "gpt-4o", "messages": MESSAGES, "stream": stream}
    plain = post(standin, body)
    with Standin(compress=True) as running:
        squeezed = post(running, body)
        on_request = post(running, body, {"accept-encoding": "identity"})
    assert (squeezed.headers["content-encoding"], "content-encoding" in plain.headers) == ("gzip", False)
    assert "content-encoding" not in on_request.headers
    assert content_of(squeezed) == content_of(plain) == content_of(on_request)


def content_of(answer: httpx.Response) -> list[str]:
    return re.findall(r'"content":\s*"([^"]*)"', answer.text)


def test_a_client_that_leaves_is_logged(standin: Standin) -> None:
    standin.chunk_s = 0.02
    body = {"model": "gpt-4o", "messages": MESSAGES, "stream": True}
    with httpx.stream("POST", f"{standin.openai_url}/chat/completions", json=body) as answer:
        next(answer.iter_lines())
    deadline = time.monotonic() + 5
    while not standin.calls and time.monotonic() < deadline:
        time.sleep(0.02)
    assert standin.calls[0].fault == "client_gone"


def test_credentials_do_not_reach_the_log(
    gpt: openai.OpenAI, claude: anthropic.Anthropic, standin: Standin, tmp_path: Path
) -> None:
    gpt.chat.completions.create(model="gpt-4o", messages=MESSAGES, extra_headers={"TraceParent": "00-ab"})
    claude.messages.create(model="claude-haiku-4-5", messages=MESSAGES, max_tokens=9)
    assert "secret-key" not in (tmp_path / "calls.jsonl").read_text()
    names = [dict(call.headers) for call in standin.calls]
    assert (names[0]["authorization"], names[0]["traceparent"], names[1]["authorization"]) == ("***", "00-ab", "***")


def test_as_a_process_it_announces_itself_and_ends_on_a_signal(tmp_path: Path) -> None:
    log = tmp_path / "deep" / "calls.jsonl"
    argv = [sys.executable, "-m", "otel_llm_collector.demo.standin", "--log", str(log), "--fault", "429:wrist:1"]
    for number in (signal.SIGTERM, signal.SIGINT):
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            url = process.stdout.readline().removeprefix("ready ").strip()
            answers = [httpx.post(f"{url}/v1/messages", json={"model": "m", "x": "wrist"}) for _ in range(2)]
            process.send_signal(number)
            assert process.wait(5) == 0
        assert [answer.status_code for answer in answers] == [429, 200]
    assert len(log.read_text().splitlines()) == 4  # the second run adds to the first


def test_it_imports_nothing_but_the_standard_library() -> None:
    root = Path(package.__file__).parent
    for path in root.rglob("*.py"):
        depth = len(path.relative_to(root).parts)  # more dots than that leave the package
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names.append(node.module or "")
            assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names, path
            assert not isinstance(node, ast.ImportFrom) or node.level <= depth, path


# --- what it takes and keeps ----------------------------------------------------------------------------------


@pytest.mark.parametrize("keeps", [False, True])
def test_a_body_in_chunks_is_read_and_kept_where_that_is_asked_for(keeps: bool) -> None:
    pieces = [b'{"model": "gpt-4o-mini", ', b'"messages": []}']
    with Standin(keep_requests=keeps) as server, httpx.Client(base_url=server.url) as client:
        assert client.post("/v1/chat/completions?x=1", content=iter(pieces)).status_code == 200
    (call,) = server.calls
    assert call.request_model == "gpt-4o-mini"
    kept = ("/v1/chat/completions?x=1", b"".join(pieces).decode())
    assert (call.target, call.body) == (kept if keeps else (None, None))
