"""The commands of questions that are a file of SQL each, as `otel-llm errors` is: one a row of `query.QUESTIONS`."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

import typer

from . import query
from .asking import Asked, ByOption, ExactOption, ExplainOption, answering
from .commandline import run, say
from .query import Table

Command = Callable[[list[str]], int]


class Compared(StrEnum):
    """What a time is compared with."""

    PREVIOUS = "previous"


_Compare = Annotated[
    Compared | None,
    typer.Option(
        help="Beside the time of the same length before: the change, and what drove it. Needs --since.",
    ),
]
_TimeBy = Annotated[
    str | None,
    typer.Option(metavar="NAMES", help="As --by of `otel-llm cost`. Default: model; with --split service."),
]
_Split = Annotated[
    bool,
    typer.Option(
        "--split",
        help="Of whole traces: the time of models, network, other services and own code, each moment counted once.",
    ),
]


def cost(argv: list[str]) -> int:
    """`otel-llm cost --by NAMES`: what the calls cost."""
    return run("cost", _cost, argv)


def latency(argv: list[str]) -> int:
    """`otel-llm latency --by NAMES`: how long the calls take, or `--split`: where the time of traces goes."""
    return run("latency", _latency, argv)


def _find_cost(
    asked: Asked,
    *,
    by: ByOption = "model",
    compare: _Compare = None,
    exact: ExactOption = False,
    explain: ExplainOption = False,
) -> Table:
    if compare is None:
        answer = query.cost(asked.connection, by, asked.selection(), exact=exact)
    else:
        answer = query.change(asked.connection, by, since=asked.since, until=asked.until, where=asked.where)
    if explain:
        say(answer.source or "read from the calls themselves")
    return answer


def _find_latency(
    asked: Asked,
    *,
    by: _TimeBy = None,
    split: _Split = False,
    exact: ExactOption = False,
    explain: ExplainOption = False,
) -> Table:
    if split:
        answer = query.latency_split(asked.connection, by or "service", asked.selection(), exact=exact)
    else:
        answer = query.latency(asked.connection, by or "model", asked.selection(), exact=exact)
    if explain:
        say(answer.source)
    return answer


def _told(name: str, find: Callable[..., Table]) -> Callable[..., None]:
    """The command of a question, which is explained as the question is."""
    find.__doc__ = query.QUESTIONS[name].summary
    return answering(find)


_cost = _told("cost", _find_cost)
_latency = _told("latency", _find_latency)


def _command(name: str) -> Command:
    question = query.QUESTIONS[name]

    def by_choice(asked: Asked, *, by: ByOption = question.by) -> Table:
        return query.ask(asked.connection, name, by, asked.selection())

    def by_one(asked: Asked) -> Table:
        return query.ask(asked.connection, name, None, asked.selection())

    function = _told(name, by_choice if question.is_regroupable else by_one)
    return lambda argv: run(name, function, argv)


cache = _command("cache")
errors = _command("errors")
prompts = _command("prompts")
sessions = _command("sessions")
users = _command("users")
