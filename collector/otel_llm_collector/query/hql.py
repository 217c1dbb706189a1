"""Queries written for Helicone's HQL, which is ClickHouse's SQL, as DuckDB understands them.

Only those that name its table are changed. Functions are macros (`queries/hql.sql`), clauses are arranged anew
(`clauses.py`), and what is left is written anew token by token: aggregates with parameters of their own, `any`,
`formatDateTime`, whose format has to be known beforehand, LIMIT with its offset first, and what no macro can be:
aggregates that take DISTINCT, functions of windows, `position`, `has` of a map.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from otel_llm.errors import UsageError

from .clauses import arranged
from .opening import question
from .tokens import check_brackets, closing, listed, tokens_of, word

if TYPE_CHECKING:
    import duckdb

TABLE: Final = "request_response_rmt"
#: Aggregates with parameters: which, how exact, and whether of some rows alone.
_PARAMETRIC: Final = re.compile(r"(quantiles?|topk|grouparray)(exact|timing|tdigest|bfloat16|gk|)(if|)$", re.IGNORECASE)
#: Before `any` these mean any row of a subquery.
_COMPARING: Final = frozenset({"=", "==", "<>", "!=", "<", ">", "<=", ">=", "like", "ilike"})
#: Functions that have another name here, and take what a macro cannot: DISTINCT, FILTER, OVER.
_NAMES: Final = {"grouparray": "list", "laginframe": "lag", "leadinframe": "lead"}
#: Columns that are maps: `has` asks for their keys.
_MAPS: Final = frozenset({"properties", "scores"})

#: Codes of formatDateTime, which are MySQL's, as strftime has them; those that both have alike.
_CODES: Final = (
    {letter: f"%{letter}" for letter in "abdfGHIjmpSTuVwyY%"}
    | {"c": "%m", "h": "%I", "i": "%M", "M": "%B", "s": "%S", "W": "%A"}
    | {"D": "%m/%d/%y", "F": "%Y-%m-%d", "R": "%H:%M"}
)
#: Stands for %Q, the quarter, which strftime has not.
_QUARTER: Final = "\x01"


def understood(connection: duckdb.DuckDBPyConnection, query: str) -> str:
    """The query as it is, or, of the table of HQL, as this connection can run it."""
    if TABLE not in query.lower():
        return query
    tokens = tokens_of(query)
    if not any(word(token) == TABLE for token in tokens):
        return query
    check_brackets(tokens)
    connection.execute(question("hql"))
    return "".join(_rewritten(tokens_of(arranged(tokens))))


def _rewritten(tokens: Sequence[str]) -> Iterator[str]:
    place = 0
    while place < len(tokens):
        text, place = (
            _parametric(tokens, place)
            or _formatted(tokens, place)
            or _renamed(tokens, place)
            or _limit(tokens, place)
            or (tokens[place], place + 1)
        )
        is_aggregate = word(text) == "any" and word(tokens[place - 2]) not in _COMPARING
        yield "any_value" if is_aggregate else text


def _parametric(tokens: Sequence[str], place: int) -> tuple[str, int] | None:
    """`quantile(0.95)(latency)`, if one begins here, as `quantile_cont(latency, 0.95)`; and where it ends."""
    found = _PARAMETRIC.fullmatch(tokens[place].strip())
    parameters = _group(tokens, place + 1) if found else None
    arguments = _group(tokens, parameters[1]) if parameters else None
    if not (found and parameters and arguments):
        return None
    of = ["".join(_rewritten(argument)) for argument in arguments[0]]
    rows = f" FILTER (WHERE {of.pop()})" if found[3] else ""
    wanted = ", ".join("".join(parameter) for parameter in parameters[0])
    return f"{_aggregate(found[1].lower(), found[2].lower(), ', '.join(of), wanted, rows)} ", arguments[1]


def _aggregate(name: str, kind: str, of: str, wanted: str, rows: str) -> str:
    if name == "topk":
        return f"approx_top_k({of}, {wanted}){rows}"
    if name == "grouparray":
        return f"list({of}){rows}[:{wanted}]"
    level = f"[{wanted}]" if name == "quantiles" else wanted
    return f"quantile_{'disc' if kind == 'exact' else 'cont'}({of}, {level}){rows}"


def _renamed(tokens: Sequence[str], place: int) -> tuple[str, int] | None:
    """The name of a function that goes by another one here, and where its bracket begins."""
    found = _group(tokens, place + 1)
    if found is None:
        return None
    name, arguments = word(tokens[place]), found[0]
    if name == "position" and len(arguments) == 2:  # `position('a' IN model)` is DuckDB's, too
        return "instr", place + 1
    if name == "has" and arguments[0] and word(arguments[0][-1]) in _MAPS:
        return "map_contains", place + 1
    return (_NAMES[name], place + 1) if name in _NAMES else None


def _formatted(tokens: Sequence[str], place: int) -> tuple[str, int] | None:
    """`formatDateTime(moment, '%i')`, if it begins here, by strftime; and where it ends."""
    found = _group(tokens, place + 1) if word(tokens[place]) == "formatdatetime" else None
    if found is None:
        return None
    moment, *others = ("".join(_rewritten(argument)).strip() for argument in found[0])
    if not others or not re.fullmatch("'.*'", others[0], re.DOTALL):
        raise UsageError("formatDateTime takes a moment and its format as a text: formatDateTime(moment, '%Y-%m')")
    if len(others) > 1:
        moment = f"CAST({moment} AS TIMESTAMPTZ) AT TIME ZONE {others[1]}"
    text = f"strftime({moment}, {re.sub('%(.?)', _code, others[0], flags=re.DOTALL)})"
    is_with_quarter = _QUARTER in text
    return (
        f"replace({text}, '{_QUARTER}', CAST(quarter({moment}) AS VARCHAR)) " if is_with_quarter else f"{text} "
    ), found[1]


def _code(found: re.Match[str]) -> str:
    code = _QUARTER if found[1] == "Q" else _CODES.get(found[1])
    if code is None:
        raise UsageError(f"formatDateTime: {found[0]} is not known here; strftime(moment, format) has codes of its own")
    return code


def _group(tokens: Sequence[str], place: int) -> tuple[list[Sequence[str]], int] | None:
    """What stands in the brackets that open here, cut at its commas, and where what follows begins."""
    end = closing(tokens, place) if place < len(tokens) and word(tokens[place]) == "(" else None
    return None if end is None else (listed(tokens[place + 1 : end]), end + 1)


def _limit(tokens: Sequence[str], place: int) -> tuple[str, int] | None:
    """`LIMIT 5, 10`, if it begins here, as DuckDB writes it."""
    words = [word(token) for token in tokens[place : place + 4]]
    if len(words) == 4 and words[0] == "limit" and words[1].isdigit() and words[2] == "," and words[3].isdigit():
        return f"LIMIT {words[3]} OFFSET {words[1]} ", place + 4
    return None
