"""What a stranger may ask: one statement that reads our tables and views, and nothing else of the machine.

Two walls. `check` reads the statement as DuckDB's parser understood it and lets through what is listed here; a
connection with `Bounds` (opening.py) has no way to files but those of the lake, so that what the first missed fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from otel_llm.errors import UsageError

from .hql import understood
from .opening import VIEWS
from .statements import check_reading, closest, nodes, readable_errors, syntax_tree

if TYPE_CHECKING:
    import duckdb

#: Functions in a FROM clause that make rows out of their arguments. All others read files, settings or the catalog.
TABLE_FUNCTIONS: Final = ("generate_series", "json_each", "json_tree", "range", "repeat", "unnest")
#: Scalar functions that tell of settings, variables or the catalog, run SQL from a text, wait, or leave a trace.
REFUSED_FUNCTIONS: Final = frozenset(
    {
        "currval",
        "current_setting",
        "getenv",
        "getvariable",
        "json_execute_serialized_sql",
        "json_serialize_plan",
        "nextval",
        "pg_get_constraintdef",
        "pg_get_expr",
        "pg_get_viewdef",
        "pg_sleep",
        "query",
        "query_table",
        "setseed",
        "setval",
        "sleep_ms",
        "to_aggregate_state",
        "write_log",
    }
)
_ADVICE: Final = (
    "only reading statements run here (SELECT, WITH, FROM, VALUES, PIVOT ... IN (...), DESCRIBE, SHOW TABLES, "
    "SUMMARIZE); EXPLAIN runs where the data is, with `otel-llm sql`, and what writes in DuckDB"
)
_EMPTY: Final = "the query is empty: send a statement, such as FROM llm_calls LIMIT 5"
_INTERNAL: Final = "__internal"
#: What SHOW is called with when it lists the tables.
_ALL_TABLES: Final = '"tables"'
_HOME: Final = "main"


def check(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    """Raise UsageError unless the text is one SELECT over the tables and views of the lake."""
    import duckdb

    with readable_errors():
        query = understood(connection, query)
        check_reading(connection, query, advice=_ADVICE, if_empty=_EMPTY)
        kind = connection.extract_statements(query)[0].type
        if kind == duckdb.StatementType.MULTI:
            raise UsageError("name what PIVOT makes columns of here: PIVOT llm_calls ON model IN ('gpt-4o') USING ...")
        if kind != duckdb.StatementType.SELECT:
            raise UsageError("EXPLAIN runs where the data is, with `otel-llm sql`: send the SELECT itself")
        _check_tree(syntax_tree(connection, query), _system_names(connection))


def check_condition(connection: duckdb.DuckDBPyConnection, where: str) -> None:
    """The same of a condition on `llm_calls`, which may hold queries of its own. What does not parse is left to whoever
    puts it into a query.
    """
    tree = syntax_tree(connection, f"SELECT 1 FROM llm_calls WHERE {where}")  # noqa: S608 (it is parsed, not run)
    if not tree["error"]:
        _check_tree(tree, _system_names(connection))


def _check_tree(tree: Any, system_names: frozenset[str]) -> None:
    found = list(nodes(tree))
    named = {entry["key"].lower() for node in found for entry in _entries(node)} - system_names
    tables = {*VIEWS, *named}
    for node in found:
        if node.get("type") == "BASE_TABLE":
            _check_table(node, tables)
        elif node.get("type") == "SHOW_REF":
            _check_shown(node)
        elif node.get("type") == "TABLE_FUNCTION":
            _check_table_function(node)
        elif isinstance(name := node.get("function_name"), str):
            _check_function(name.lower())


def _check_table(node: Mapping[str, Any], tables: set[str]) -> None:
    *place, name = node["qualified_name"]["path"]
    if name.lower() not in tables or place not in ([], [_HOME]):
        full = ".".join((*place, name))
        raise UsageError(f'no table "{full}".{closest(name, VIEWS)} There are: {", ".join(VIEWS)}')


def _check_shown(node: Mapping[str, Any]) -> None:
    name = node["table_name"]
    if name and name != _ALL_TABLES and name.strip('"').lower() not in VIEWS:
        raise UsageError(f"SHOW {name} is not answered here: try SHOW TABLES, or DESCRIBE spans")


def _check_table_function(node: Mapping[str, Any]) -> None:
    name = str(node["function"].get("function_name", "")).lower()
    if name not in TABLE_FUNCTIONS:
        raise UsageError(f"{name}() is not allowed here: ask our tables ({', '.join(VIEWS)})")


def _check_function(name: str) -> None:
    if name in REFUSED_FUNCTIONS or name.startswith(_INTERNAL):
        raise UsageError(f"the function {name}() is not allowed here: it tells of the machine, not of your calls")


def _entries(node: Mapping[str, Any]) -> list[Any]:
    """The WITH clause of a node."""
    found = node.get("cte_map")
    return list(found["map"]) if isinstance(found, dict) else []


def _system_names(connection: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """Tables of the catalog: a WITH clause may not lend them its name."""
    rows = connection.execute("SELECT lower(view_name) FROM duckdb_views() WHERE internal").fetchall()
    return frozenset(row[0] for row in rows)
