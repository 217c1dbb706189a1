"""Which emitters speak which dialect, and in which versions: read from what is stored."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from emitters.differing import counted
from emitters.emission import read, stored
from emitters.replay import theirs

#: What carries an emission, and what a program needs beside its emitter.
_CARRIERS: Final = re.compile(
    r"^(opentelemetry-(exporter|sdk|instrumentation$|util)|@opentelemetry/|httpx$|setuptools$|zod$)"
)


@cache
def speakers() -> dict[str, list[str]]:
    """Dialect -> the emitters whose calls are rows of it."""
    found: dict[str, set[str]] = {}
    for path in stored():
        sent = read(path)
        for one in counted(theirs(sent)):
            found.setdefault(one.row["dialect"], set()).add(sent.emitter)
    return {dialect: sorted(emitters) for dialect, emitters in sorted(found.items())}


def versions(dialect: str) -> list[str]:
    """The packages that were seen speaking a dialect, each with its versions."""
    seen: dict[str, set[str]] = {}
    for emitter in speakers().get(dialect, ()):
        for name, version in read(stored(emitter)[0]).packages.items():
            if not _CARRIERS.match(name):
                seen.setdefault(name, set()).add(version)
    return [f"{name} {' and '.join(sorted(found))}" for name, found in sorted(seen.items())]
