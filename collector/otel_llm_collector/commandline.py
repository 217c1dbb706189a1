"""How the collector's commands run inside `otel-llm`: options by typer, one line for an error, one exit code a kind."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from otel_llm.errors import OtelLlmError, UsageError

INTERRUPTED = 130


def run(name: str, function: Callable[..., None], argv: list[str]) -> int:
    """Run one command; its exit code. Errors leave as one line on stderr."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(name)(function)
    try:
        code = typer.main.get_command(app).main(args=argv, prog_name=f"otel-llm {name}", standalone_mode=False)
    except OtelLlmError as error:
        return _fail(name, str(error), error.exit_code)
    except typer.TyperException as error:
        message = error.format_message() if hasattr(error, "format_message") else str(error)
        return _fail(name, f"{message.rstrip('.')}; see `otel-llm {name} --help`", UsageError.exit_code)
    except typer.Abort:
        return INTERRUPTED
    return int(code or 0)


def say(message: str) -> None:
    """A line for people: stdout carries data only."""
    print(message, file=sys.stderr)  # noqa: T201


def _fail(name: str, message: str, code: int) -> int:
    say(f"otel-llm {name}: {' '.join(message.split())}")
    return code
