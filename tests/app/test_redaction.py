"""Redaction: nothing that matches leaves, wherever it stands, and a hook that fails leaves nothing at all."""

from __future__ import annotations

import json
import logging
import re
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
from app.rawserver import RawServer
from app.recording import Recorded
from app.test_content import capture, chat
from hypothesis import given
from hypothesis import strategies as st

import otel_llm
from otel_llm import failures
from otel_llm.errors import UsageError
from otel_llm.redaction import REDACTED, TEXT_CHARS_MAX, read_hook, read_patterns
from otel_llm.wire import Content
from otel_llm_semconv import attributes as a

SECRET = "4111-1111-1111-1111"
CARD = r"\b\d{4}(-?\d{4}){3}\b"


def everywhere(secret: Any) -> Content:
    """A secret in each place that content can hold one."""
    return Content(
        input_messages=[
            {"role": "user", "name": f"n {secret}", "parts": [{"type": "text", "content": f"pay with {secret} now"}]},
            {
                "role": "assistant",
                "parts": [
                    {"type": "reasoning", "content": f"is {secret} valid?"},
                    {"type": "tool_call", "id": "t", "name": "pay", "arguments": {"card": {"all": ["x", secret]}}},
                    {"type": "tool_call", "id": "t", "name": "pay", "arguments": f"not json {secret}"},
                ],
            },
            {
                "role": "tool",
                "parts": [
                    {"type": "tool_call_response", "id": "t", "response": json.dumps({"card": f"{secret}"})},
                    {"type": "tool_call_response", "id": "t", "response": [{"type": "text", "text": secret}]},
                    {"type": "uri", "modality": "image", "uri": f"https://x/?card={secret}"},
                ],
            },
        ],
        output_messages=[
            {"role": "assistant", "parts": [{"type": "text", "content": secret}], "finish_reason": "stop"}
        ],
        system_instructions=[{"type": "text", "content": f"the card is {secret}"}],
        tool_definitions=[{"type": "function", "name": "pay", "description": f"e.g. {secret}", "default": secret}],
    )


@pytest.mark.parametrize("secret", [SECRET, 4111111111111111])
def test_it_is_found_everywhere(secret: Any) -> None:
    found = capture(redact=[CARD]).attributes(everywhere(secret))
    assert found.keys() == set(a.CONTENT)
    assert str(secret) not in str(found)
    assert str(found).count(REDACTED) == 12
    (answer,) = json.loads(str(found[a.OUTPUT_MESSAGES]))
    assert answer == {
        "role": "assistant",
        "parts": [{"type": "text", "content": REDACTED}],
        "finish_reason": "stop",
    }


def test_a_hook_sees_what_the_patterns_left() -> None:
    seen: list[str] = []

    def hook(text: str) -> str | None:
        seen.append(text)
        return None if "secret" in text else text.upper()

    found = capture(redact=[CARD], redact_with=hook).attributes(chat(f"my card is {SECRET}", "a secret"))
    assert seen == [f"my card is {REDACTED}", "a secret"]
    assert json.loads(str(found[a.INPUT_MESSAGES]))[0]["parts"][0]["content"] == f"MY CARD IS {REDACTED.upper()}"
    assert json.loads(str(found[a.OUTPUT_MESSAGES]))[0]["parts"][0]["content"] == REDACTED


def test_json_inside_a_text_is_read_as_json() -> None:
    result = json.dumps({"patient": "Jörg Müller", "age": 40})
    assert "Müller" not in result
    found = capture(redact=["Müller"]).attributes(chat(result, "ok"))
    content = json.loads(str(found[a.INPUT_MESSAGES]))[0]["parts"][0]["content"]
    assert json.loads(content) == {"patient": f"Jörg {REDACTED}", "age": 40}


def test_the_words_of_the_schema_stay_and_keys_too() -> None:
    found = capture(redact=["user|text|secret"]).attributes(chat("text of a user", {"secret": "the secret"}))
    (message,) = json.loads(str(found[a.INPUT_MESSAGES]))
    assert (message["role"], message["parts"][0]["type"]) == ("user", "text")
    assert message["parts"][0]["content"] == f"{REDACTED} of a {REDACTED}"
    assert '{"secret":"the [redacted]"}' in str(found[a.OUTPUT_MESSAGES])


def test_it_comes_before_the_cut() -> None:
    text = f"{'x' * 490}{SECRET}{'y' * 5000}"
    for bytes_max in range(500, 560):
        found = capture(redact=[CARD.replace(r"\b", "")], content_bytes_max=bytes_max).attributes(chat(text, "ok"))
        assert "411" not in str(found)
        assert "1111" not in str(found)


@given(st.text(alphabet="ab1-4 ", max_size=200), st.integers(100, 400))
def test_no_cut_makes_a_match_survive(text: str, bytes_max: int) -> None:
    found = capture(redact=["[14]+-?"], content_bytes_max=bytes_max).attributes(chat(text, [text]))
    kept = re.sub(r"\[cut [\d,]+ \w+\]", "", str(found[a.INPUT_MESSAGES]))
    assert not re.search("[14]", kept)


def test_a_text_too_long_to_search_is_left_out() -> None:
    found = capture(redact=[CARD]).attributes(chat("x" * (TEXT_CHARS_MAX + 1), "ok"))
    assert "[redacted: 1,000,001 characters are too long to search]" in str(found[a.INPUT_MESSAGES])


@pytest.mark.parametrize("answer", [42, b"bytes", ["a"]])
def test_a_hook_that_answers_no_text_is_a_fault(answer: Any) -> None:
    with pytest.raises(TypeError, match="redact_with answered"):
        capture(redact_with=lambda text: answer).attributes(chat("hello", "hi"))


def test_a_hook_that_fails_leaves_everything_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "_raises", False)
    failures.counts.clear()
    calls: list[str] = []

    def hook(text: str) -> str:
        calls.append(text)
        if len(calls) == 2:
            raise ValueError(text)
        return text

    found = failures.guarded(capture(redact_with=hook, content_upload="memory://never").attributes, chat("a", "b"))
    assert found is None
    assert sum(failures.counts.values()) == 1


def test_what_a_hook_asks_a_model_is_not_recorded() -> None:
    inner: list[Any] = []

    def hook(text: str) -> str:
        inner.append((one.attributes(chat(text, "is that personal?")), one.text(text)))
        return "checked"

    one = capture(redact_with=hook)
    found = one.attributes(chat("my name is Anna", "hello Anna"))
    assert inner == [({}, None)] * 2
    assert "Anna" not in str(found)
    assert one.attributes(chat("more", "more"))


def test_what_errors_say_is_redacted_too() -> None:
    recorded = Recorded(redact=[CARD])
    refusal = {"error": {"message": f"no card {SECRET}", "type": "invalid"}}
    try:
        with RawServer(lambda c: c.json(refusal, status=400)) as server, httpx2.Client() as client:
            client.post(server.url + "/v1/chat/completions", json={"model": "m", "messages": []})
        with pytest.raises(ValueError, match=SECRET), otel_llm.workflow("pay"):
            raise ValueError(SECRET)
        spans = recorded.spans()
    finally:
        otel_llm.uninstrument()
    assert [span.status.description for span in spans] == ["no card [redacted]", "[redacted]"]
    assert not any(SECRET in span.to_json() for span in spans)


def test_an_error_that_a_hook_fails_at_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(failures.RAISE_ENV, "false")

    def hook(text: str) -> str:
        raise KeyError(text)

    recorded = Recorded(redact_with=hook)
    try:
        with RawServer(lambda c: c.json({"error": {"message": SECRET}}, status=400)) as server:
            httpx2.post(server.url + "/v1/chat/completions", json={"model": "m", "messages": []})
        assert recorded.call().status.description == "[redacted]"
    finally:
        otel_llm.uninstrument()
        failures.counts.clear()


def test_patterns_are_written_a_line_each_or_between_semicolons() -> None:
    assert [one.pattern for one in read_patterns("\n a+ \n\nb;c;;d\n")] == ["a+", "b;c", "d"]
    assert read_patterns(["a", re.compile("b", re.IGNORECASE)])[1].flags & re.IGNORECASE
    assert read_patterns("") == ()


@pytest.mark.parametrize("written", ["(", "a*", "a|", 42, re.compile(rb"x")])
def test_a_pattern_that_cannot_be_is_refused_at_the_start(written: Any) -> None:
    with pytest.raises(UsageError, match="no usable regular expression"):
        capture(redact=[written])


@pytest.mark.parametrize("written", ["module", ":name", "module:", 42])
def test_a_hook_that_cannot_be_is_refused_at_the_start(written: Any) -> None:
    with pytest.raises(UsageError, match="module:function"):
        capture(redact_with=written)


def test_a_hook_by_name_is_imported_when_it_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "privacy_rules.py").write_text("class Rules:\n    hide = staticmethod(lambda text: text[::-1])\n")
    one = capture(redact_with="privacy_rules:Rules.hide")
    monkeypatch.syspath_prepend(tmp_path)
    assert "privacy_rules" not in sys.modules
    assert "cba" in str(one.attributes(chat("abc", "abc"))[a.INPUT_MESSAGES])
    sys.modules.pop("privacy_rules")
    with pytest.raises(ModuleNotFoundError):
        capture(redact_with="no_such_rules:hide").attributes(chat("abc", "abc"))


def test_a_hook_of_the_program_itself_does_not_run_it_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    main: Any = sys.modules["__main__"]
    monkeypatch.setattr(main, "__file__", str(tmp_path / "single_file_app.py"), raising=False)
    monkeypatch.setattr(main, "hide", lambda text: "hidden", raising=False)
    hook = read_hook("single_file_app:hide")
    assert hook is not None
    assert hook("x") == "hidden"


class Telling:
    """Something whose every error quotes the prompt."""

    def __str__(self) -> str:
        raise KeyError(SECRET)


def failing(text: str) -> str:
    try:
        raise ValueError(f"cannot handle {text}")
    except ValueError as error:
        raise RuntimeError(f"while reading {text}") from error


@pytest.mark.parametrize(
    ("settings", "content"),
    [
        ({"redact_with": failing}, chat(SECRET, SECRET)),
        ({"redact_with": lambda text: {text}}, chat(SECRET, SECRET)),
        ({"redact_with": "no_such_module:hide"}, chat(SECRET, SECRET)),
        ({}, chat(Telling(), SECRET)),
        ({"redact": ["x"]}, chat(Telling(), SECRET)),
        ({"content_bytes_max": 100}, chat([SECRET] * 1000, Telling())),
        ({"content_upload": "memory://logs"}, chat(Telling(), SECRET)),
        ({"capture_content": "EVENT_ONLY"}, chat(Telling(), SECRET)),
    ],
)
def test_no_fault_puts_content_in_a_log_line(
    settings: dict[str, Any], content: Content, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
    from opentelemetry.trace import INVALID_SPAN

    monkeypatch.setattr(failures, "_raises", False)
    failures.counts.clear()
    caplog.set_level(logging.NOTSET)
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(InMemoryLogRecordExporter()))
    one = capture(provider, **settings)
    failures.guarded(one.attributes, content)
    failures.guarded(one.emit, INVALID_SPAN, content, {})
    assert sum(failures.counts.values()) >= 1
    assert [record.name for record in caplog.records if record.levelno >= logging.WARNING] == ["otel_llm"] * len(
        failures.counts
    )
    assert SECRET not in caplog.text
    assert not any(SECRET in str(vars(record)) for record in caplog.records)


def test_a_log_line_says_where_it_happened(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "_raises", False)
    failures.counts.clear()
    failures.guarded(capture(redact_with=failing).attributes, chat(SECRET, SECRET))
    assert re.search(
        r"RuntimeError in\n.*\n  \S*test_redaction.py:\d+ failing\nValueError in\n", caplog.text, re.DOTALL
    )


def test_a_fault_while_reading_an_answer_keeps_it_out_of_the_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way: a real call whose content cannot be read."""
    import httpx2

    def broken(*args: Any) -> Any:
        raise KeyError(SECRET)

    caplog.set_level(logging.NOTSET)
    failures.counts.clear()
    recorded = Recorded(raise_errors=False, capture_content="SPAN_ONLY")
    monkeypatch.setattr("otel_llm.providers.openai_content.read_content", broken)
    reply = {"id": "x", "model": "gpt-4o", "choices": [{"index": 0, "message": {"content": SECRET}}]}
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": SECRET}]}
    try:
        with RawServer(lambda c: c.json(reply)) as server, httpx2.Client() as client:
            client.post(server.url + "/v1/chat/completions", json=body)
        assert a.INPUT_MESSAGES not in recorded.attributes()
    finally:
        otel_llm.uninstrument()
    assert sum(failures.counts.values()) == 1
    assert "KeyError" in caplog.text
    assert SECRET not in caplog.text
