"""`otel-llm sql -i`: statements one after the other, with history, completion, and the newest rows each time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from otel_llm.errors import OtelLlmError

from .asking import opened_whole, print_result, terminal_width
from .commandline import say, stdout_bytes

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import Completer

_KEYWORDS: Final = """
SELECT FROM WHERE GROUP BY ORDER BY LIMIT ALL DESC ASC HAVING JOIN LEFT USING ON AND OR NOT NULL IS IN LIKE AS CASE WHEN
THEN ELSE END COUNT SUM AVG MIN MAX DISTINCT FILTER WITH UNION DESCRIBE SUMMARIZE EXPLAIN INTERVAL QUALIFY
"""
_HELP: Final = """\
A statement ends with ; and may take several lines. Tab completes tables and columns, the arrow keys bring earlier ones.
.tables lists the tables, .help says this, .quit ends, as Ctrl-D does."""


def interact(data: str | None, tz: str, limit: int | None, session: PromptSession[str] | None = None) -> None:
    """Read statements until the end of input, and print what each finds. A wrong one is told and forgotten."""
    with opened_whole(data, tz) as connection:
        names = dict(_names(lambda query: connection.execute(query).fetchall()))
    asked = session or _session(names)
    say(f"{len(names)} tables; .help for help")
    while (statement := _statement(asked)) is not None:
        if statement == ".tables":
            say("\n".join(names))
        elif statement == ".help":
            say(_HELP)
        elif statement:
            _run(statement, data, tz, limit)


def _statement(session: PromptSession[str]) -> str | None:
    """The next statement, without its semicolon; nothing where it was broken off; None at the end."""
    lines: list[str] = []
    while True:
        try:
            lines.append(session.prompt("...> " if lines else "sql> "))
        except KeyboardInterrupt:
            return ""
        except EOFError:
            return None
        text = "\n".join(lines).strip()
        if text in (".quit", ".exit"):
            return None
        if not text or text.startswith(".") or text.endswith(";"):
            return text.rstrip("; \n")


def _run(statement: str, data: str | None, tz: str, limit: int | None) -> None:
    """Each statement sees the lake as it is by then."""
    from . import query as lake
    from .query.statements import readable_errors

    try:
        with opened_whole(data, tz) as connection, readable_errors(), stdout_bytes() as out:
            print_result(lake.sql(connection, statement), limit, out, terminal_width())
    except OtelLlmError as error:
        say(f"otel-llm sql: {error}")
    except KeyboardInterrupt:
        say("interrupted")


def _names(ask: Callable[[str], list[tuple[str, ...]]]) -> Iterator[tuple[str, list[str]]]:
    """Each table and its columns."""
    from .query.opening import VIEWS

    for view in VIEWS:
        yield view, [row[0] for row in ask(f"DESCRIBE {view}")]


def _session(names: dict[str, list[str]]) -> PromptSession[str]:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import FileHistory

    return PromptSession(history=FileHistory(str(_history())), completer=completer(names), complete_while_typing=False)


def completer(names: dict[str, list[str]]) -> Completer:
    """What Tab offers: tables, all their columns, and the words of SQL."""
    from prompt_toolkit.completion import WordCompleter

    columns = sorted({column for found in names.values() for column in found})
    return WordCompleter([*names, *columns, *_KEYWORDS.split()], ignore_case=True)


def _history() -> Path:
    """Where statements are remembered, for this user alone."""
    folder = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "otel-llm"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = folder / "sql_history"
    file.touch(mode=0o600)
    return file
