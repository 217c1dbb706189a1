"""A fault of ours at each point of each kind of call: the app notices nothing, and the next call is traced."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

import pytest
from app.declared import DECLARED
from app.faults import unused_exceptions
from app.kinds import KINDS, Kind
from app.recording import Recorded
from app.scenes import Scene

import otel_llm
from otel_llm import failures
from otel_llm.export import _watch_pools
from otel_llm.finisher import finisher

#: What has been broken: each point in the first kind of call that comes by.
_known: Final[set[str]] = set()


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in production: faults are counted."""
    monkeypatch.setenv(failures.RAISE_ENV, "false")
    _watch_pools()  # as every exporter of ours does
    finisher.start()
    while not finisher.prices_ready:
        time.sleep(0.01)
    gc.disable()  # what it calls would be called wherever it happens to run
    yield
    otel_llm.uninstrument()
    failures.counts.clear()
    gc.enable()


@pytest.mark.usefixtures("production")
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_app_notices_nothing(kind: Kind) -> None:
    with kind.serve() as url:
        scene = Scene(partial(kind.call, url))
        recorded = Recorded(**kind.settings)
        assert scene.break_everywhere(recorded, _known) == {}


@pytest.mark.usefixtures("production")
@pytest.mark.parametrize("kind", DECLARED.values(), ids=DECLARED)
def test_what_the_app_declares_never_fails_it(kind: Kind) -> None:
    """All points in each kind: what is called by a guard in one way is called by the same guard in all others."""
    scene = Scene(partial(kind.call, ""))
    assert scene.break_everywhere(Recorded(**kind.settings), set()) == {}


@pytest.mark.usefixtures("production")
def test_a_log_of_the_apps_that_fails_does_not_make_a_score_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(record: logging.LogRecord) -> bool:
        raise ZeroDivisionError

    Recorded()
    monkeypatch.setattr(logging.getLogger("otel_llm"), "filters", [refuse])
    assert otel_llm.score("neither a value nor a label") is False
    assert failures.counts["_refuse: ZeroDivisionError"] == 1


@pytest.mark.parametrize("mistake", [otel_llm.session, otel_llm.user, otel_llm.prompt, otel_llm.score])
def test_a_call_that_python_refuses_is_the_apps_mistake(mistake: Any) -> None:
    with pytest.raises(TypeError):
        mistake()
    with pytest.raises(TypeError):
        mistake("x", no_such="argument")


def test_no_exception_is_out_of_date() -> None:
    """Runs after all others."""
    assert unused_exceptions() == set()
