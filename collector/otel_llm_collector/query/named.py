"""Questions by name, with the options of their commands as arguments: what Python and the endpoint offer."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from otel_llm.errors import UsageError

from .anomalies import anomalies
from .answers import Selection, Table, selection, trace, unpriced
from .change import change
from .forecast import forecast
from .questions import QUESTIONS, Question, ask
from .statements import closest
from .trace_tree import Tree

if TYPE_CHECKING:
    import duckdb


def _by_file(asked: Question) -> Callable[..., Table]:
    """A question that is one file of SQL, as a function."""

    def regroupable(connection: duckdb.DuckDBPyConnection, by: Any = asked.by, selection: Any = None) -> Table:
        return ask(connection, asked.name, by, selection)

    def fixed(connection: duckdb.DuckDBPyConnection, selection: Selection | None = None) -> Table:
        return ask(connection, asked.name, None, selection)

    def rolled(
        connection: duckdb.DuckDBPyConnection, by: Any = asked.by, selection: Any = None, *, exact: bool = False
    ) -> Table:
        return ask(connection, asked.name, by, selection, exact=exact)

    function: Callable[..., Table] = rolled if asked.is_rolled else regroupable if asked.is_regroupable else fixed
    function.__doc__ = asked.summary
    return function


#: Every question. The first parameter is the connection; `selection` stands for `since`, `until` and `where`.
NAMED: Final[Mapping[str, Callable[..., Table | Tree]]] = {
    **{name: _by_file(asked) for name, asked in QUESTIONS.items()},
    **{function.__name__: function for function in (anomalies, change, forecast, trace, unpriced)},
}
_SELECTING: Final = ("since", "until", "where")
_LIMIT: Final = inspect.Parameter("limit", inspect.Parameter.KEYWORD_ONLY, default=None, annotation="int | None")
#: What a question is given by its tests alone.
_HIDDEN: Final = ("selection", "now")


def signature(name: str) -> inspect.Signature:
    """The arguments of a question: those of its function, without the connection, and how many rows are wanted.

    Raises UsageError.
    """
    if name not in NAMED:
        raise UsageError(f"no question {name!r}.{closest(name, list(NAMED))} There are: {', '.join(sorted(NAMED))}")
    own = list(inspect.signature(NAMED[name], eval_str=False).parameters.values())[1:]
    selecting = [
        inspect.Parameter(one, inspect.Parameter.KEYWORD_ONLY, default=None, annotation="str | None")
        for one in _SELECTING
    ]
    is_selecting = any(one.name == "selection" for one in own)
    limit = [] if NAMED[name] is trace else [_LIMIT]  # a tree is whole
    mine = [one for one in own if one.name not in _HIDDEN]
    return inspect.Signature([*mine, *(selecting if is_selecting else []), *limit])


def answer(connection: duckdb.DuckDBPyConnection, name: str, arguments: Mapping[str, Any]) -> Table:
    """The answer to a question; an argument that is None is not given. Raises UsageError for a question or an argument
    that there is not, and for what an argument does not take."""
    expected = signature(name)
    try:
        given = dict(expected.bind(**{key: value for key, value in arguments.items() if value is not None}).arguments)
    except TypeError as error:
        raise UsageError(f"{name}: {error}; its arguments are {', '.join(expected.parameters)}") from None
    for argument, value in given.items():
        words, is_taken = _TAKEN[argument]
        if not is_taken(value):
            raise UsageError(f"{argument} {value!r}: give {words}")
    function, limit = NAMED[name], given.pop("limit", 0)
    if "selection" in inspect.signature(function).parameters:
        chosen = {one: given.pop(one, None) for one in _SELECTING}
        given["selection"] = selection(connection, **chosen)
    found = function(connection, **given)
    if isinstance(found, Tree):
        return Table(found.table())
    return replace(found, data=found.data.slice(0, limit)) if limit else found


def _are_texts(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, Collection) and all(isinstance(one, str) for one in value))


def _is_number(value: Any, least: int) -> bool:
    return type(value) is int and value >= least  # True is none


#: What an argument takes, in words, and whether a value is that.
_TAKEN: Final[Mapping[str, tuple[str, Callable[[Any], bool]]]] = {
    "by": ("names, as a text or a list of texts", _are_texts),
    "calls_min": ("a number of calls, 1 or more", lambda value: _is_number(value, 1)),
    "exact": ("true or false", lambda value: isinstance(value, bool)),
    "limit": ("a number of rows, 0 for all", lambda value: _is_number(value, 0)),
    "replace": ("OLD=NEW, as a text or a list of texts", _are_texts),
    **dict.fromkeys((*_SELECTING, "trace_id"), ("a text", lambda value: isinstance(value, str))),
}
