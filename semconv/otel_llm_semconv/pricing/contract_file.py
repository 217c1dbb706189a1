"""What a file of contracts says, TOML or YAML: its items, each with the lines where it says so."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

#: The one key of a file, and the name of each of its tables.
_NAME: Final = "contract"
_HEADER: Final = re.compile(r"^\s*\[\[\s*contract\s*\]\]")
_TOML_LINE: Final = re.compile(r" \(at line (\d+), column \d+\)$")


class BadContractsError(ValueError):
    """A file of contracts that cannot be used; the message names the file, the line and what to do."""

    def __init__(self, path: Path, line: int | None, why: str) -> None:
        super().__init__(f"{path}: {why}" if line is None else f"{path}:{line}: {why}")


@dataclass(frozen=True, slots=True)
class Item:
    """One contract as it was written: `line` is its first, `line_of` that of a key in it, at any depth."""

    path: Path
    said: Any
    line: int
    line_of: Callable[[str], int | None]

    def wrong(self, key: str, why: str) -> BadContractsError:
        """What is wrong, at the line of the key, else at the contract's first."""
        return BadContractsError(self.path, self.line_of(key) or self.line, why)


def items(path: Path, text: str) -> Iterator[Item]:
    """The contracts of a file's text. Raises BadContractsError."""
    return _yaml_items(path, text) if path.suffix in (".yaml", ".yml") else _toml_items(path, text)


def _listed(path: Path, parsed: Any, line_of: Callable[[str], int | None]) -> list[Any]:
    expected = "nothing but a list named `contract` is expected"
    if not parsed or not isinstance(parsed, dict):
        raise BadContractsError(path, 1, expected)
    if stranger := next((key for key in parsed if key != _NAME), None):
        raise BadContractsError(path, line_of(str(stranger)), f"unknown key {stranger!r}; {expected}")
    listed = parsed[_NAME]
    if not isinstance(listed, list):
        raise BadContractsError(path, line_of(_NAME), f"`contract` is no list; {expected}")
    return listed


# --- TOML: its parser tells no lines -------------------------------------------------------------------------


def _toml_items(path: Path, text: str) -> Iterator[Item]:
    try:
        parsed = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        found = _TOML_LINE.search(str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        raise BadContractsError(path, line, _TOML_LINE.sub("", str(error))) from error
    lines = text.split("\n")
    starts = _headers(lines)
    for index, said in enumerate(_listed(path, parsed, _search(lines, 0, len(lines)))):
        start = starts[index] if index < len(starts) else 0
        end = starts[index + 1] if index + 1 < len(starts) else len(lines)
        yield Item(path, said, start + 1, _search(lines, start, end))


def _headers(lines: list[str]) -> list[int]:
    """Where each table begins: what looks like a header inside a text does not end a table that can be parsed."""
    starts: list[int] = []
    for number, line in enumerate(lines):
        if _HEADER.match(line) and _is_toml("\n".join(lines[starts[-1] if starts else 0 : number])):
            starts.append(number)
    return starts


def _is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _search(lines: list[str], start: int, end: int) -> Callable[[str], int | None]:
    def line_of(key: str) -> int | None:
        named = re.compile(rf"(?:^|[\s{{,.\"'\[]){re.escape(key)}[\"']?\s*[=.\]]")
        return next((number + 1 for number in range(start, end) if named.search(lines[number])), None)

    return line_of


# --- YAML ----------------------------------------------------------------------------------------------------


def _yaml_items(path: Path, text: str) -> Iterator[Item]:
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise BadContractsError(path, None, "pip install pyyaml, or write the contracts as TOML") from error
    try:
        node, parsed = _loaded(path, text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise BadContractsError(path, line, error.problem or "no YAML") from error
    except BadContractsError:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadContractsError(path, None, f"no YAML: {str(error).splitlines()[0]}") from error
    keys = node.value if node is not None and node.id == "mapping" else ()
    lines = {str(key.value): key.start_mark.line + 1 for key, _ in keys}
    listed = _listed(path, parsed, lines.get)
    ((_, sequence),) = node.value
    for said, item in zip(listed, sequence.value, strict=True):
        yield Item(path, said, item.start_mark.line + 1, dict(_key_lines(item)).get)


def _loaded(path: Path, text: str) -> tuple[Any, Any]:
    """The nodes of a document, which know their lines, and what they say."""
    import yaml

    class Loader(yaml.SafeLoader):
        """Takes a date as text, for whoever expects one: some are in no calendar."""

    Loader.add_constructor("tag:yaml.org,2002:timestamp", _written)
    loader = Loader(text)
    node = loader.get_single_node()
    _refuse_twins(path, node)
    return node, None if node is None else loader.construct_document(node)


def _written(_loader: Any, node: Any) -> str:
    text: str = node.value
    return text


def _nodes(node: Any) -> Iterator[Any]:
    """It, and all below it, each once: an alias may lead back to where it stands."""
    waiting, seen = [node], set()
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        if one.id == "mapping":
            waiting += [value for _, value in one.value]
        elif one.id == "sequence":
            waiting += one.value


def _refuse_twins(path: Path, node: Any) -> None:
    for one in _nodes(node):
        known: set[str] = set()
        for key, _ in one.value if one.id == "mapping" else ():
            if key.id == "scalar" and key.value in known:
                raise BadContractsError(path, key.start_mark.line + 1, f"{key.value} is there twice")
            known.add(str(key.value))


def _key_lines(item: Any) -> Iterator[tuple[str, int]]:
    """Keys and their lines, those of the outermost last."""
    found = [key for one in _nodes(item) if one.id == "mapping" for key, _ in one.value if key.id == "scalar"]
    yield from ((key.value, key.start_mark.line + 1) for key in reversed(found))
