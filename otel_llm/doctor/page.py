"""The findings as a page of 80 columns, or as JSON."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Final

from .checks import Result
from .scene import Observed

COLUMNS: Final = 80
_INDENT: Final = " " * 11


def as_table(results: Sequence[Result]) -> str:
    """One paragraph a finding, by topic; the last line counts."""
    lines: list[str] = []
    for topic, group in groupby(results, key=lambda result: result.topic):
        lines += [topic, *(line for result in group for line in _paragraph(result)), ""]
    return "\n".join([*lines, _summary(results)])


def as_json(results: Sequence[Result], observed: Observed | None = None) -> str:
    """An object: the number of problems, the findings, and what was observed, if anything was."""
    findings = [{"check": r.check, "topic": r.topic, **asdict(r.finding)} for r in results]
    problems = sum(result.finding.level == "problem" for result in results)
    more = {} if observed is None else {"observed": observed.as_json()}
    return json.dumps({"problems": problems, "findings": findings, **more}, indent=2)


def _paragraph(result: Result) -> list[str]:
    finding = result.finding
    level = finding.level.upper() if finding.level == "problem" else finding.level
    lines = _wrap(f"  {level:<9}", finding.what)
    return lines + (_wrap(f"{_INDENT}fix: ", finding.fix) if finding.fix else [])


def _wrap(start: str, text: str) -> list[str]:
    """Lines of at most COLUMNS, cut at spaces only: a command or address that is longer stays whole."""
    return textwrap.wrap(
        text,
        COLUMNS,
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _summary(results: Sequence[Result]) -> str:
    counts = Counter(result.finding.level for result in results)
    problems, notes = counts["problem"], counts["note"]
    if not problems and not notes:
        return "everything is fine"
    return f"{problems} problem{'s' * (problems != 1)}, {notes} note{'s' * (notes != 1)}"
