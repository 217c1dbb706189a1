"""What the tests share: a collector of ours, and the peers where they can be built."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from rig.processes import CollectorProcess, collector

from . import builds

NO_GO = "SKIPPED: Go is not on this machine, so the peer cannot be built"


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[CollectorProcess]:
    """A running collector; a test stops it to have everything in the tables."""
    with collector(tmp_path / "data") as running:
        yield running


@pytest.fixture
def go() -> None:
    """A peer that is written in Go is needed: with Go at hand a failed build is a failure."""
    if not builds.has_go():
        pytest.skip(NO_GO)
