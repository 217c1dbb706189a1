"""What a row says of an option, and what can be wrong with the value of one."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any, NamedTuple


class Option(NamedTuple):
    """One row: name in the file, variable, default as it would be written, reader of text or of TOML, the meaning.

    `metavar` is what its flag is given, '' where it has none: a secret does not belong on a command line. `reloads` is
    True where SIGHUP takes a new value over.
    """

    name: str
    env: str
    default: Any
    parse: Callable[[Any], Any]
    metavar: str
    reloads: bool
    doc: str

    @property
    def flag(self) -> str:
        """The flag, '' for none."""
        return "--" + self.name.replace("_", "-") if self.metavar else ""

    @property
    def is_list(self) -> bool:
        """A flag that may be given several times."""
        return isinstance(self.default, list)


class KeyedError(ValueError):
    """What is wrong at a key of a table. `key` is how it was spelled, '' for one that is missing.

    `number` says which table of a list of them it is, from 0.
    """

    def __init__(self, key: str, why: str, number: int = 0) -> None:
        super().__init__(why)
        self.key = key
        self.number = number


class UnknownKeyError(KeyedError):
    """A key that nothing knows."""

    def __init__(self, key: str, known: list[str]) -> None:
        near = difflib.get_close_matches(key, known, n=1)
        hint = f", did you mean {near[0]!r}?" if near else f": one of {', '.join(known)}"
        super().__init__(key, f"unknown key {key!r}{hint}")
