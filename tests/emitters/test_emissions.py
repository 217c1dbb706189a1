"""What real emitters sent becomes the row that our own instrumentor gives for the very same requests.

Where an emitter cannot tell something, or tells it otherwise, its `differs.json` says so, and why. Nothing else may
differ, and what is named there has to.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from emitters.differing import counted, differing, is_named, of_call, parts, reasons, stale
from emitters.emission import emitters, read, stored
from emitters.replay import theirs

STORED = stored()


@pytest.mark.parametrize("path", STORED, ids=lambda path: f"{path.parents[1].name}-{path.stem}")
def test_a_call_is_the_row_that_ours_is(path: Path) -> None:
    sent = read(path)
    rows = [reason["rows"] for reason in of_call(sent) if "rows" in reason]
    if rows:
        assert [len(counted(theirs(sent)))] == rows
        assert rows != [len(sent.calls)]
        return
    found = differing(sent)
    assert [one for one in found if not is_named(one, sent)] == []
    assert list(stale(sent, found)) == [], "named in differs.json, and the same"


@pytest.mark.parametrize("emitter", emitters())
def test_a_reason_is_given_for_calls_that_there_are(emitter: str) -> None:
    calls = {path.stem for path in stored(emitter)}
    assert calls, "make test-emitters EMITTERS='NAME --write'"
    for reason in reasons(emitter):
        assert reason["why"]
        assert set(reason["calls"]) <= calls | {"*"}
        assert set(reason) <= {"why", "calls", "untold", "otherwise", "less", "cost", "rows"}
        assert parts(reason) or "rows" in reason
