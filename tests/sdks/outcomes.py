"""What a test session saw: for each SDK its features, passed or failed, as JSON for `run.py`."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
_WORST = (PASSED, SKIPPED, FAILED)


class Outcomes:
    """A pytest plugin. Refuses tests that do not say what they exercise."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._tests: dict[str, str] = {}
        self._exercised: dict[str, tuple[str, tuple[str, ...]]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            sdk = item.get_closest_marker("sdk")
            features = tuple(str(name) for marker in item.iter_markers("feature") for name in marker.args)
            if sdk is None or not features:
                raise pytest.UsageError(f"{item.nodeid} needs a `sdk` and a `feature` marker: tests/sdks/README.md")
            self._exercised[item.nodeid] = (str(sdk.args[0]), features)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        outcome = FAILED if report.failed else SKIPPED if report.skipped else PASSED
        self._tests[report.nodeid] = _worse(self._tests.get(report.nodeid, PASSED), outcome)

    def pytest_sessionfinish(self) -> None:
        if self._path is not None:
            found = {"counts": Counter(self._tests.values()), "sdks": self._features()}
            self._path.write_text(json.dumps(found, indent=2))

    def _features(self) -> dict[str, dict[str, str]]:
        sdks: dict[str, dict[str, str]] = {}
        for nodeid, outcome in self._tests.items():
            sdk, features = self._exercised[nodeid]
            of_sdk = sdks.setdefault(sdk, {})
            of_sdk.update({name: _worse(of_sdk.get(name, PASSED), outcome) for name in features})
        return sdks


def _worse(one: str, other: str) -> str:
    return max(one, other, key=_WORST.index)
