"""Which columns of `llm_calls` an expression looks at, as DuckDB's own parser sees it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from ..rollup.cubes import PROPERTY
from .statements import nodes, syntax_tree

if TYPE_CHECKING:
    import duckdb

#: What stands for all that cannot be told: a star, a query inside, a function that never says the same twice.
UNKNOWN: Final = "*"
_UNTELLABLE: Final = frozenset({"STAR", "SUBQUERY"})
_VOLATILE: Final = frozenset({"random", "uuid", "uuidv4", "uuidv7", "gen_random_uuid", "nextval", "currval"})


def references(connection: duckdb.DuckDBPyConnection, expressions: list[str]) -> set[str]:
    """Names of columns, in lower case; `properties.KEY` for one property by its key."""
    parsed = syntax_tree(connection, f"SELECT {', '.join(expressions)} FROM llm_calls")  # noqa: S608 (it is only parsed)
    if parsed["error"]:
        return {UNKNOWN}
    return set(_names(parsed["statements"][0]["node"]["select_list"]))


def _names(tree: Any) -> Iterator[str]:
    properties = [node for node in nodes(tree) if _property(node) is not None]
    named = {id(node["children"][0]) for node in properties}
    for node in properties:
        yield f"{PROPERTY}{_property(node)}"
    for node in nodes(tree):
        if node.get("class") in _UNTELLABLE or node.get("function_name") in _VOLATILE:
            yield UNKNOWN
        if node.get("class") == "COLUMN_REF" and id(node) not in named:
            yield _column(node)


def _column(node: Mapping[str, Any]) -> str:
    names = [name.lower() for name in node["column_names"]]
    own = names[1:] if names[0] == "llm_calls" else names
    return own[0] if len(own) == 1 else UNKNOWN  # a field, or the row as a whole


def _property(node: Mapping[str, Any]) -> str | None:
    """The key of `properties['key']`."""
    if node.get("type") != "ARRAY_EXTRACT":
        return None
    column, key = node["children"]
    if column.get("class") != "COLUMN_REF" or _column(column) != "properties" or key.get("class") != "CONSTANT":
        return None
    literal = key["literal"]
    return str(literal["text"]) if literal["kind"] == "STRING" else None
