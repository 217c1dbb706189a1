"""The commands of questions that are a file of SQL each, as `otel-llm errors` is: one a row of `query.QUESTIONS`."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

import typer

from .asking import (
    ByOption,
    DataOption,
    ExactOption,
    ExplainOption,
    FormatOption,
    LimitOption,
    OutputOption,
    SinceOption,
    TzOption,
    UntilOption,
    WhereOption,
    opened,
    print_answer,
)
from .commandline import run, say
from .query.questions import QUESTIONS, Question
from .render import Format

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


def _cost(
    *,
    by: ByOption = "model",
    since: SinceOption = None,
    until: UntilOption = None,
    compare: _Compare = None,
    tz: TzOption = "UTC",
    where: WhereOption = None,
    exact: ExactOption = False,
    explain: ExplainOption = False,
    data: DataOption = None,
    limit: LimitOption = None,
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    from . import query as lake

    with opened(data, tz) as connection:
        if compare is None:
            chosen = lake.selection(connection, since=since, until=until, where=where)
            answer = lake.cost(connection, by, chosen, exact=exact)
        else:
            answer = lake.change(connection, by, since=since, until=until, where=where)
        print_answer(answer, limit, format, output, data)
    if explain:
        say(answer.source or "read from the calls themselves")


_cost.__doc__ = QUESTIONS["cost"].summary


def latency(argv: list[str]) -> int:
    """`otel-llm latency --by NAMES`: how long the calls take, or `--split`: where the time of traces goes."""
    return run("latency", _latency, argv)


def _latency(
    *,
    by: _TimeBy = None,
    since: SinceOption = None,
    until: UntilOption = None,
    split: _Split = False,
    tz: TzOption = "UTC",
    where: WhereOption = None,
    exact: ExactOption = False,
    explain: ExplainOption = False,
    data: DataOption = None,
    limit: LimitOption = None,
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    from . import query as lake

    with opened(data, tz) as connection:
        chosen = lake.selection(connection, since=since, until=until, where=where)
        if split:
            answer = lake.latency_split(connection, by or "service", chosen)
        else:
            answer = lake.latency(connection, by or "model", chosen, exact=exact)
        print_answer(answer, limit, format, output, data)
    if explain:
        say(answer.source or "every span of these traces was read")


_latency.__doc__ = QUESTIONS["latency"].summary


def _command(name: str) -> Command:
    asked = QUESTIONS[name]
    function = (_by_choice if asked.is_regroupable else _by_one)(asked)
    function.__doc__ = asked.summary
    return lambda argv: run(name, function, argv)


def _by_choice(asked: Question) -> Callable[..., None]:
    def command(
        *,
        by: ByOption = asked.by,
        since: SinceOption = None,
        until: UntilOption = None,
        tz: TzOption = "UTC",
        where: WhereOption = None,
        data: DataOption = None,
        limit: LimitOption = None,
        format: FormatOption = Format.TABLE,
        output: OutputOption = None,
    ) -> None:
        from . import query as lake

        with opened(data, tz) as connection:
            chosen = lake.selection(connection, since=since, until=until, where=where)
            print_answer(lake.ask(connection, asked.name, by, chosen), limit, format, output, data)

    return command


def _by_one(asked: Question) -> Callable[..., None]:
    def command(
        *,
        since: SinceOption = None,
        until: UntilOption = None,
        tz: TzOption = "UTC",
        where: WhereOption = None,
        data: DataOption = None,
        limit: LimitOption = None,
        format: FormatOption = Format.TABLE,
        output: OutputOption = None,
    ) -> None:
        from . import query as lake

        with opened(data, tz) as connection:
            chosen = lake.selection(connection, since=since, until=until, where=where)
            print_answer(lake.ask(connection, asked.name, None, chosen), limit, format, output, data)

    return command


cache = _command("cache")
errors = _command("errors")
prompts = _command("prompts")
sessions = _command("sessions")
users = _command("users")
