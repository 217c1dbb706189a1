"""The commands that look at the course of things: `otel-llm forecast | anomalies | top`."""

from __future__ import annotations

import sys
import time
from typing import Annotated, Final

import typer

from .asking import (
    Asked,
    DataOption,
    ExplainOption,
    FormatOption,
    OutputOption,
    TzOption,
    WhereOption,
    answering,
    opened,
    print_answer,
    terminal_width,
)
from .commandline import run, say
from .query import Table
from .render import Format

_Replace = Annotated[
    list[str] | None,
    typer.Option(
        metavar="OLD=NEW",
        help="What if the model NEW (or PROVIDER/NEW) took the place of OLD from now on? Repeatable.",
    ),
]
_EachBy = Annotated[
    str, typer.Option(metavar="NAMES", help="What to look at, each by itself: as --by of `otel-llm cost`.")
]
_CallsMin = Annotated[int, typer.Option(min=1, metavar="N", help="Only days with so many calls.")]
_WIDTH_MAX: Final = 1_000  # of what is no terminal
_Window = Annotated[str, typer.Option(metavar="TIME", help="How far back: 5m, 1h.")]
_Every = Annotated[float, typer.Option(min=0.2, metavar="SECONDS", help="How often it looks again.")]
_Rounds = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Look so many times, then end. Default: until Ctrl-C.")
]


def forecast(argv: list[str]) -> int:
    """`otel-llm forecast`: what the month will have cost."""
    return run("forecast", _forecast, argv)


def anomalies(argv: list[str]) -> int:
    """`otel-llm anomalies`: days that were not as such days are."""
    return run("anomalies", answering(_find_anomalies), argv)


def top(argv: list[str]) -> int:
    """`otel-llm top`: what goes on now."""
    return run("top", _top, argv)


def _forecast(
    *,
    replace: _Replace = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="As it was to be told then, of what was known. Default: now.")
    ] = None,
    tz: TzOption = "UTC",
    where: WhereOption = None,
    explain: ExplainOption = False,
    data: DataOption = None,
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """What will this month have cost at its end, and between what figures does that lie nine times out of ten? By the
    days of the last eight weeks: level, weekdays, and how far each day was from what was to be expected."""
    from . import query as lake

    with opened(data, tz, where) as connection:
        answer = lake.forecast(connection, where=where, replace=replace or (), until=until)
        if explain:
            say(answer.source)
        print_answer(answer, None, format, output, data)


def _find_anomalies(asked: Asked, *, by: _EachBy = "model,prompt,user,agent", calls_min: _CallsMin = 20) -> Table:
    """Which days were not as such days are: cost, calls, tokens a call, errors, latency? Compared with the same
    weekdays of the four weeks before. Without --since the days of the last seven."""
    from . import query as lake

    return lake.anomalies(
        asked.connection, by, since=asked.since or "7d", until=asked.until, where=asked.where, calls_min=calls_min
    )


def _top(
    *,
    by: Annotated[str, typer.Option(metavar="NAMES", help="As --by of `otel-llm cost`.")] = "model",
    window: _Window = "5m",
    every: _Every = 2.0,
    rounds: _Rounds = None,
    where: WhereOption = None,
    data: DataOption = None,
) -> None:
    """What goes on now: calls and money a minute, errors and latency of the last minutes, looked at again and again."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    done = 0
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    console = Console(width=None if is_terminal else _WIDTH_MAX)
    with Live(console=console, auto_refresh=False, screen=is_terminal) as live:
        while True:
            live.update(Text(_moment(by, window, where, data)), refresh=True)
            done += 1
            if rounds is not None and done >= rounds:
                return
            time.sleep(every)


def _moment(by: str, window: str, where: str | None, data: str | None) -> str:
    from . import query as lake
    from .console import answer_table

    with opened(data, "UTC", where) as connection:
        chosen = lake.selection(connection, since=window, where=where)
        return answer_table(lake.ask(connection, "top", by, chosen), width=min(terminal_width(), _WIDTH_MAX))
