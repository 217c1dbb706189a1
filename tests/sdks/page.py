"""Writes docs/sdks.md from docs/sdks.json, which `run.py` leaves there. With --check it only compares."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[2] / "docs"
MADE = "<!-- Written by `make test-sdks` from what it saw; run it again to change it. -->"
INTRO = """\
What `make test-sdks` saw: each SDK and framework, in the newest release of that day, against the stand-in on loopback,
every call held against what the stand-in sent (one counted span, provider, models, tokens, finish reason, stream,
error). `tests/sdks/README.md` says how to add one.
"""
HEAD = "| SDK | version | exercised | result | seen |\n|---|---|---|---|---|"


def render(results: Mapping[str, Mapping[str, Any]]) -> str:
    """The page of the results by environment."""
    rows = sorted(_rows(results.values()))
    gaps = [f"`{name}`: {result['error']}" for name, result in sorted(results.items()) if result["error"]]
    parts = ["# SDKs seen working", MADE, INTRO.strip(), "\n".join([HEAD, *rows])]
    if gaps:
        parts.append("## Environments that did not work\n\n" + "\n".join(f"- {gap}" for gap in gaps))
    if notes := sorted({note for result in results.values() for note in result.get("notes", ())}):
        parts.append("## Releases that could not be tried\n\n" + "\n".join(f"- {note}" for note in notes))
    return "\n\n".join([*parts, _environments(results)]) + "\n"


def _rows(results: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """A row for each version of an SDK, whatever environments it was tried in."""
    merged: dict[tuple[str, str], dict[str, str]] = {}
    seen: dict[tuple[str, str], str] = {}
    for result in results:
        for sdk, found in result["sdks"].items():
            key = sdk, found["version"] or "unknown"
            features = merged.setdefault(key, {})
            failed = {name for name, outcome in features.items() if outcome != "passed"}
            features.update({name: outcome for name, outcome in found["features"].items() if name not in failed})
            seen[key] = max(seen.get(key, ""), result["date"])
    for (sdk, version), features in sorted(merged.items()):
        bad = [f"{outcome}: {name}" for name, outcome in sorted(features.items()) if outcome != "passed"]
        said = "; ".join(bad) or "passed"
        yield f"| {sdk} | {version} | {', '.join(sorted(features))} | {said} | {seen[sdk, version]} |"


def _environments(results: Mapping[str, Mapping[str, Any]]) -> str:
    head = "## Environments\n\n| `tests/sdks/` | Python | tests |\n|---|---|---|"
    rows = [
        f"| `{name}` | {result.get('python', '-')} | {_counts(result['counts'])} |"
        for name, result in sorted(results.items())
    ]
    return "\n".join([head, *rows])


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items())) or "none"


def stale(folder: Path = DOCS) -> bool:
    """Whether the page says something else than the results."""
    return (folder / "sdks.md").read_text() != render(json.loads((folder / "sdks.json").read_text()))


def main() -> int:
    if "--check" in sys.argv[1:]:
        if stale():
            print("docs/sdks.md is stale: run `make docs`")
        return int(stale())
    if stale():
        (DOCS / "sdks.md").write_text(render(json.loads((DOCS / "sdks.json").read_text())))
        print("wrote docs/sdks.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
