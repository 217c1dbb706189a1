"""Queries written for Helicone's HQL, which is ClickHouse's SQL, as DuckDB understands them.

Only those that name its table are changed. Functions are macros (`queries/hql.sql`); what no macro can say is written
anew token by token: aggregates with parameters of their own, `any`, and LIMIT with its offset first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from .opening import question

if TYPE_CHECKING:
    import duckdb

TABLE: Final = "request_response_rmt"
#: Aggregates with parameters: which, how exact, and whether of some rows alone.
_PARAMETRIC: Final = re.compile(r"(quantiles?|topk|grouparray)(exact|timing|tdigest|bfloat16|gk|)(if|)$", re.IGNORECASE)
#: Before `any` these mean any row of a subquery.
_COMPARING: Final = frozenset({"=", "==", "<>", "!=", "<", ">", "<=", ">=", "like", "ilike"})


def understood(connection: duckdb.DuckDBPyConnection, query: str) -> str:
    """The query as it is, or, of the table of HQL, as this connection can run it."""
    if TABLE not in query.lower():
        return query
    tokens = _tokens(query)
    if not any(_word(token) == TABLE for token in tokens):
        return query
    connection.execute(question("hql"))
    return "".join(_rewritten(tokens))


def _tokens(query: str) -> list[str]:
    """The query in pieces: each a token and the space behind it."""
    import duckdb

    whole = query.encode()
    starts = [position for position, _ in duckdb.tokenize(query)]
    return [whole[start:end].decode() for start, end in zip([0, *starts], [*starts, len(whole)], strict=True)]


def _word(token: str) -> str:
    return token.strip().strip('"`').lower()


def _rewritten(tokens: Sequence[str]) -> Iterator[str]:
    place = 0
    while place < len(tokens):
        text, place = _parametric(tokens, place) or _limit(tokens, place) or (tokens[place], place + 1)
        is_aggregate = _word(text) == "any" and _word(tokens[place - 2]) not in _COMPARING
        yield "any_value" if is_aggregate else text


def _parametric(tokens: Sequence[str], place: int) -> tuple[str, int] | None:
    """`quantile(0.95)(latency)`, if one begins here, as `quantile_cont(latency, 0.95)`; and where it ends."""
    found = _PARAMETRIC.fullmatch(tokens[place].strip())
    parameters = _group(tokens, place + 1) if found else None
    arguments = _group(tokens, parameters[1]) if parameters else None
    if not (found and parameters and arguments):
        return None
    listed = ["".join(_rewritten(argument)) for argument in arguments[0]]
    rows = f" FILTER (WHERE {listed.pop()})" if found[3] else ""
    wanted = ", ".join("".join(parameter) for parameter in parameters[0])
    return f"{_aggregate(found[1].lower(), found[2].lower(), ', '.join(listed), wanted, rows)} ", arguments[1]


def _aggregate(name: str, kind: str, of: str, wanted: str, rows: str) -> str:
    if name == "topk":
        return f"approx_top_k({of}, {wanted}){rows}"
    if name == "grouparray":
        return f"list({of}){rows}[:{wanted}]"
    level = f"[{wanted}]" if name == "quantiles" else wanted
    return f"quantile_{'disc' if kind == 'exact' else 'cont'}({of}, {level}){rows}"


def _group(tokens: Sequence[str], place: int) -> tuple[list[Sequence[str]], int] | None:
    """What stands in the brackets that open here, cut at its commas, and where what follows begins."""
    if place >= len(tokens) or _word(tokens[place]) != "(":
        return None
    depth, begin, parts = 0, place + 1, list[Sequence[str]]()
    for end in range(place, len(tokens)):
        word = _word(tokens[end])
        depth += (word in ("(", "[")) - (word in (")", "]"))
        if depth == 0 or (depth == 1 and word == ","):
            parts.append(tokens[begin:end])
            begin = end + 1
        if depth == 0:
            return parts, begin
    return None


def _limit(tokens: Sequence[str], place: int) -> tuple[str, int] | None:
    """`LIMIT 5, 10`, if it begins here, as DuckDB writes it."""
    words = [_word(token) for token in tokens[place : place + 4]]
    if len(words) == 4 and words[0] == "limit" and words[1].isdigit() and words[2] == "," and words[3].isdigit():
        return f"LIMIT {words[3]} OFFSET {words[1]} ", place + 4
    return None
