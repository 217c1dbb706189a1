"""All the paths that a call can take and all the ways it can end, as one table.

The app sees what it would see without us, and there is one span that says the truth.
"""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pytest
from app import path_calls, path_endings, path_exits, path_failures
from app.otlpserver import OtlpServer
from app.paths import Row, check_truth, found_in
from app.recording import Recorded

IN_PROCESS: Final = path_endings.ROWS + path_calls.ROWS + path_failures.ROWS
ROWS: Final = IN_PROCESS + path_exits.ROWS
ROWS_MIN: Final = 358


def test_no_path_is_lost_or_there_twice() -> None:
    names = [row.name for row in ROWS]
    assert len(names) >= ROWS_MIN
    assert len(set(names)) == len(names)


@pytest.fixture(autouse=True)
def _small_heap() -> None:
    """What the garbage collector has to look at is what a row makes, not all that has been imported."""
    gc.freeze()


@pytest.mark.parametrize("row", IN_PROCESS, ids=lambda row: row.name)
def test_a_path_is_the_same_to_the_app_and_one_true_span(row: Row, request: pytest.FixtureRequest) -> None:
    bare = row.walk()
    row.check_sights(bare)
    recorded: Recorded = request.getfixturevalue("recorded")  # instruments, which the bare walk must not see
    scene = row.walk(lambda: bool(recorded.spans()))
    assert scene.sights == bare.sights
    assert scene.ended is not False
    if scene.kept is not None:
        assert recorded.spans() == []
        recorded.provider.shutdown()
    check_truth(row.truth, found_in(recorded))


@pytest.mark.parametrize("row", path_exits.ROWS, ids=lambda row: row.name)
def test_a_process_that_ends_is_the_same_and_its_one_true_span_arrives(row: Row) -> None:
    with OtlpServer() as collector, ThreadPoolExecutor() as pool:
        bare, scene = pool.map(path_exits.walk, [row, row], [None, collector])
        row.check_sights(bare)
        assert scene.sights == bare.sights
        # a busy machine may not have read the prices by the end of so short a process
        check_truth(row.truth, path_exits.found_at(collector), has_prices=False)
