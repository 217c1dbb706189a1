"""Clauses that ClickHouse's SELECT has and DuckDB's has not, in words that DuckDB has.

PREWHERE is WHERE. `LIMIT n BY columns`, which takes the first n rows of each group in the order of the answer, is
QUALIFY over numbers of rows. FINAL goes, since the view has each request once. What has no such words is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from otel_llm.errors import UsageError

from .tokens import closing, listed, word

#: A clause: the word it begins with, and its pieces, this word among them. A bracket is one piece.
_Clause = tuple[str, list[str]]

_BEGINNINGS: Final = frozenset(
    {"select", "from", "prewhere", "where", "group", "having", "window", "qualify", "order", "limit", ";"}
    | {"union", "intersect", "except"}
)
#: How what is refused looks, words alone; what to write instead.
_REFUSED: Final = (
    (r"with totals", "WITH TOTALS: GROUP BY GROUPING SETS ((model), ()) adds a row over all, in which model is NULL"),
    (r"with rollup", "WITH ROLLUP: write GROUP BY ROLLUP (provider, model), whose sums have NULL there"),
    (r"with cube", "WITH CUBE: write GROUP BY CUBE (provider, model), whose sums have NULL there"),
    (r"with fill", "WITH FILL: join the times of generate_series(...) to have those without rows"),
    (r"array join", "ARRAY JOIN: write arrayJoin(...) AS name in the list of SELECT"),
    (r"settings \w+ =", "SETTINGS: leave it out"),
    (r"format (json|csv|tsv|tabseparated|pretty|vertical|values|parquet)\w*( ;)?$", "FORMAT: leave it out"),
)


def arranged(tokens: Sequence[str]) -> str:
    """The query, and those in its brackets, by DuckDB's clauses. Raises UsageError for what it has none for."""
    blocks: list[list[_Clause]] = [[]]
    for clause in _clauses(list(_pieces(tokens))):
        if clause[0] == "select":
            blocks.append([])
        blocks[-1].append(clause)
    return "".join(piece for block in blocks for _, pieces in _block(block) for piece in pieces)


def _pieces(tokens: Sequence[str]) -> Iterator[str]:
    place = 0
    while place < len(tokens):
        end = closing(tokens, place)
        yield tokens[place] if end is None else f"{tokens[place]}{_inside(tokens[place + 1 : end])}{tokens[end]}"
        place = (place if end is None else end) + 1


def _inside(tokens: Sequence[str]) -> str:
    """What is in a bracket, arranged where it has a query in it."""
    return arranged(tokens) if any(word(token) == "select" for token in tokens) else "".join(tokens)


def _clauses(pieces: Sequence[str]) -> Iterator[_Clause]:
    words = [word(piece) for piece in pieces]
    starts = [place for place in range(1, len(words)) if _begins(words, place)]
    for start, end in zip([0, *starts], [*starts, len(words)], strict=True):
        yield "".join(words[start : start + 1]), list(pieces[start:end])


def _begins(words: Sequence[str], place: int) -> bool:
    """Whether a clause begins here: `IS DISTINCT FROM` and `WITHIN GROUP` are none."""
    if words[place] in ("group", "order"):
        return words[place + 1 : place + 2] == ["by"]
    return words[place] in _BEGINNINGS and (words[place], words[place - 1]) != ("from", "distinct")


def _block(clauses: list[_Clause]) -> list[_Clause]:
    """One SELECT and its clauses."""
    if not clauses or clauses[0][0] != "select":
        return clauses
    outline = " ".join(_outlined(piece) for _, pieces in clauses for piece in pieces)
    for pattern, advice in _REFUSED:
        if re.search(rf"\b{pattern}", outline):
            raise UsageError(f"not known here: {advice}")
    return _limited_by([_each_once(clause) for clause in _filtered(clauses)])


def _outlined(piece: str) -> str:
    """A piece as `_REFUSED` looks at it: neither what is in a text, nor what is in brackets."""
    return piece[0] if piece[:1] in ("'", "(", "[") else word(piece)


def _each_once(clause: _Clause) -> _Clause:
    name, pieces = clause
    return (name, [piece for piece in pieces if word(piece) != "final"]) if name == "from" else clause


def _filtered(clauses: list[_Clause]) -> list[_Clause]:
    """PREWHERE and WHERE as one condition."""
    names = [name for name, _ in clauses]
    if "prewhere" not in names:
        return clauses
    conditions = [f"({''.join(pieces[1:])})" for name, pieces in clauses if name in ("prewhere", "where")]
    others = [clause for clause in clauses if clause[0] not in ("prewhere", "where")]
    others.insert(names.index("prewhere"), ("where", [f"WHERE {' AND '.join(conditions)} "]))
    return others


def _limited_by(clauses: list[_Clause]) -> list[_Clause]:
    """`LIMIT 2 BY model` as QUALIFY, which stands before ORDER BY and numbers rows in its order."""
    found = next((clause for clause in clauses if clause[0] == "limit" and "by" in map(word, clause[1])), None)
    if found is None:
        return clauses
    selected = clauses[0][1]
    if [word(piece) for piece in selected[1:2]] == ["distinct"] or any(name == "qualify" for name, _ in clauses):
        raise UsageError("LIMIT n BY goes with neither DISTINCT nor QUALIFY here: write GROUP BY, or a subquery")
    by = [word(piece) for piece in found[1]].index("by")
    ordering = next((pieces for name, pieces in clauses if name == "order"), None)
    expressions = _expressions(selected[1:])
    over = f"PARTITION BY {_terms(found[1][by + 1 :], expressions)}"
    if ordering:
        over += f" ORDER BY {_terms(ordering[2:], expressions)}"
    others = [clause for clause in clauses if clause is not found]
    place = next((at for at, (name, _) in enumerate(others) if name in ("order", "limit", ";")), len(others))
    others.insert(place, ("qualify", [f" QUALIFY row_number() OVER ({over}) {_numbers(found[1][1:by])} "]))
    return others


def _numbers(pieces: Sequence[str]) -> str:
    """Which rows of a group `2`, `1, 2` and `2 OFFSET 1` take, as a condition on their numbers."""
    match [word(piece) for piece in pieces]:
        case [count] if count.isdigit():
            return f"<= {count}"
        case [count, "offset", skipped] | [skipped, ",", count] if count.isdigit() and skipped.isdigit():
            return f"BETWEEN {int(skipped) + 1} AND {int(skipped) + int(count)}"
    raise UsageError("LIMIT n BY takes plain numbers: LIMIT 2 BY model, LIMIT 2 OFFSET 1 BY model")


def _expressions(pieces: Sequence[str]) -> dict[str, str]:
    """What is selected, by its place and by its name: a window function knows no places, and columns before names."""
    found = dict[str, str]()
    for number, item in enumerate(listed(pieces), 1):
        is_named = len(item) > 2 and word(item[-2]) == "as"
        found[str(number)] = "".join(item[:-2] if is_named else item)
        if is_named:
            found[word(item[-1])] = found[str(number)]
    return found


def _terms(pieces: Sequence[str], expressions: dict[str, str]) -> str:
    """The columns of a BY, those that stand for something selected as what they stand for."""
    terms = [
        (f"({expressions[word(term[0])]}) ", *term[1:]) if word(term[0]) in expressions else term
        for term in listed(pieces)
        if term
    ]
    return ", ".join("".join(term).strip() for term in terms)
