"""Names of attributes, as a table writes them down: whole, all below one, or with a part that may be anything."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Final

_ANY: Final = "*"
_BELOW: Final = "."
_PART: Final = r"[^.]+"


class Names:
    """Names of attributes: `a.b` is that one, `a.b.` it and all below it; a star is one part between dots.

    What `but` names is not among them.
    """

    def __init__(self, written: Iterable[str], but: Collection[str] = ()) -> None:
        self._but = frozenset(but)
        listed = [(name, name.endswith(_BELOW)) for name in written]
        plain = [(name, is_below) for name, is_below in listed if _ANY not in name]
        self._whole = frozenset(name.removesuffix(_BELOW) for name, _ in plain)
        self._below = tuple(name for name, is_below in plain if is_below)
        starred = [_pattern(name) for name, _ in listed if _ANY in name]
        self._starred = re.compile("|".join(starred)) if starred else None

    def __contains__(self, name: str) -> bool:
        if name in self._whole or name.startswith(self._below):
            return name not in self._but
        is_starred = self._starred is not None and self._starred.fullmatch(name) is not None
        return is_starred and name not in self._but


def _pattern(name: str) -> str:
    pattern = _PART.join(map(re.escape, name.removesuffix(_BELOW).split(_ANY)))
    return pattern + r"(\..*)?" if name.endswith(_BELOW) else pattern
