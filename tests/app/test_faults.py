"""A fault of ours at each point of each kind of call: the app notices nothing, and the next call is traced."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from functools import partial
from typing import Final

import pytest
from app.faults import unused_exceptions
from app.kinds import KINDS, Kind
from app.recording import Recorded
from app.scenes import Scene

import otel_llm
from otel_llm import failures
from otel_llm.finisher import finisher

#: What has been broken: each point in the first kind of call that comes by.
_known: Final[set[str]] = set()


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in production: faults are counted."""
    monkeypatch.setenv(failures.RAISE_ENV, "false")
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


def test_no_exception_is_out_of_date() -> None:
    """Runs after all others."""
    assert unused_exceptions() == set()
