"""What a file of roll-ups was made of, and whether that is still what the lake holds.

Every file says so itself, in its column `made_of`, and the log of its table repeats it. A file counts while each file
of `spans` that it was made of is live: then its rows add up to theirs, whatever else has come for the same dates.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .cubes import VERSION


@dataclass(frozen=True, slots=True)
class Origin:
    """The files of `spans`, by `mark`, the first date and the one after the last, and the keys of properties."""

    files: frozenset[str]
    first: dt.date
    end: dt.date
    is_month: bool
    keys: tuple[str, ...] = ()
    version: str = VERSION

    def as_text(self) -> str:
        plain = asdict(self) | {"files": sorted(self.files)}
        return json.dumps(plain, default=str, separators=(",", ":"))

    @classmethod
    def of(cls, text: str) -> Origin:
        """What `as_text` has written."""
        given: dict[str, Any] = json.loads(text)
        dates = {name: dt.date.fromisoformat(given[name]) for name in ("first", "end")}
        return cls(**given | dates | {"files": frozenset(given["files"]), "keys": tuple(given["keys"])})


def mark(path: str) -> str:
    """What a file of `spans` is known by, whatever its folder: a path is never used again."""
    return hashlib.blake2b("/".join(path.split("/")[-2:]).encode(), digest_size=8).hexdigest()


def sound(known: Mapping[str, Origin], live: Collection[str]) -> dict[str, Origin]:
    """The roll-up files of today's cubes, by path, all of whose sources are among the `live` marks."""
    there = frozenset(live)
    return {path: origin for path, origin in known.items() if origin.version == VERSION and origin.files <= there}


def apart(known: Mapping[str, Origin]) -> dict[str, Origin]:
    """Files of which none counts what another does: those that were made of most come first."""
    taken: set[str] = set()
    chosen = {}
    for path, origin in sorted(known.items(), key=lambda item: (-len(item[1].files), item[0])):
        if not origin.files & taken:
            taken |= origin.files
            chosen[path] = origin
    return chosen


def origins(texts: Mapping[str, str | None]) -> dict[str, Origin]:
    """The origins of files by path, from what the log says of each; who does not say it is left out."""
    return {path: Origin.of(text) for path, text in texts.items() if text}
