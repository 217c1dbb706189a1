"""How the collector's typer commands run inside `otel-llm`: one line for an error, one exit code for each kind."""

from __future__ import annotations

import click
import typer

from otel_llm.errors import UsageError


def run_app(app: typer.Typer, name: str, argv: list[str]) -> int:
    """Run a single-command typer app as `otel-llm NAME`. Raises UsageError for wrong flags; returns the exit code."""
    command = typer.main.get_command(app)
    try:
        result = command.main(args=argv, prog_name=f"otel-llm {name}", standalone_mode=False)
    except click.UsageError as error:
        raise UsageError(f"{error.format_message()} Try 'otel-llm {name} --help'.") from None
    except click.Abort:
        return 130
    return result if isinstance(result, int) else 0
