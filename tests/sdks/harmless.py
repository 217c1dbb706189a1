"""That we do an app no harm: nothing stays attached, nothing of ours fails, and if it does the app sees none of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from app.recording import Recorded
from opentelemetry import context as otel_context

import otel_llm
from otel_llm.failures import RAISE_ENV, counts


@contextmanager
def unharmed() -> Iterator[None]:
    """Afterwards nothing is attached, and nothing of ours has failed."""
    counts.clear()
    yield
    assert otel_context.get_current() == {}
    assert not counts


@contextmanager
def broken(function: str) -> Iterator[Recorded]:
    """Instrumented as in production, with one function of ours, by its dotted name, that always fails."""

    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("a fault of ours")

    with pytest.MonkeyPatch.context() as production:
        production.setenv(RAISE_ENV, "false")
        recorded = Recorded()
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(function, fail)
            yield recorded
        assert counts, "it was never called"
        counts.clear()
        otel_llm.uninstrument()
