"""A setting means the same as a keyword and as a variable; a value of the wrong kind is refused at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from otel_llm.errors import UsageError
from otel_llm.settings import SETTINGS, Settings

WRITTEN = {
    "baggage_accept": "true",
    "baggage_hosts": "*.svc.local,billing.internal",
    "content_bytes_max": "5000",
    "deployments": "chat-prod=gpt-4o",
    "estimate_usage": "false",
    "hosts": "LLM.example.com=openai,.corp.example=anthropic",
    "include_usage": "on",
    "metric_properties": "ward, bed",
}
VALUES: dict[str, Any] = {
    "baggage_accept": True,
    "baggage_hosts": ("*.svc.local", "billing.internal"),
    "content_bytes_max": 5000,
    "deployments": {"chat-prod": "gpt-4o"},
    "estimate_usage": False,
    "hosts": {"LLM.example.com": "openai", ".corp.example": "anthropic"},
    "include_usage": True,
    "metric_properties": ["ward", "bed"],
}


@pytest.mark.parametrize("name", sorted(WRITTEN))
def test_a_text_a_value_and_a_variable_say_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text, value = (getattr(Settings({name: given}), name) for given in (WRITTEN[name], VALUES[name]))
    monkeypatch.setenv(next(row.env for row in SETTINGS if row.name == name), WRITTEN[name])
    assert text == value == getattr(Settings(), name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("baggage_hosts", 7),
        ("baggage_hosts", [7]),
        ("content_bytes_max", 0),
        ("content_bytes_max", "many"),
        ("content_bytes_max", 5.5),
        ("deployments", "chat-prod"),
        ("deployments", ["chat-prod"]),
        ("hosts", {"a": 1}),
        ("http_spans", "perhaps"),
        ("http_spans", "maybe"),
        ("include_usage", ["true"]),
    ],
)
def test_a_value_of_another_kind_is_refused(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=f"^{name}="):
        Settings({name: value})


def test_content_may_be_switched_on_by_true() -> None:
    assert Settings({"capture_content": True}).capture_content.upper() == "TRUE"


def test_none_leaves_it_to_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_LLM_HTTP_SPANS", "true")
    assert Settings({"http_spans": None}).http_spans is True


def test_a_path_is_a_text() -> None:
    assert Settings({"data": Path("here")}).data == "here"
