"""What the demo shows at the end: the commands that a user would type, and their answers."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import duckdb
from rich.console import Console
from rich.markup import escape

from otel_llm.errors import OtelLlmError

from .. import cli, questions
from ..config import data_dir
from .stage import Run

_console = Console(highlight=False, soft_wrap=True)

#: What the demo asks: title, command, arguments.
_QUESTIONS: Final[tuple[tuple[str, Callable[[list[str]], int], tuple[str, ...]], ...]] = (
    ("Cost by model", questions.cost, ("cost", "--by", "model")),
    ("Cost by department", questions.cost, ("cost", "--by", "property.department")),
    ("Cost by agent", questions.cost, ("cost", "--by", "agent")),
    ("Latency and time to first chunk", questions.latency, ("latency", "--by", "model")),
)
_NEXT: Final = (
    ("cost", "--by", "user,model"),
    ("sql", "SELECT prompt_name, prompt_version, sum(cost_usd) FROM llm_calls GROUP BY ALL"),
    ("sql", "SELECT name, status, error_type, attempts FROM llm_calls WHERE attempts > 1"),
)


def show(run: Run) -> None:
    """The answers, on stdout: cost, the workflow's tree, latency, where the data lies, what to try next."""
    place = data_option(run.data)
    since = datetime.fromtimestamp(run.started_ns / 1e9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    for title, command, words in _QUESTIONS[:-1]:
        _ask(title, command, [*words, "--since", since, *place])
    _ask("The workflow, with the cost of each subtree", cli.trace, ["trace", _workflow(run), *place])
    title, command, words = _QUESTIONS[-1]
    _ask(title, command, [*words, "--since", since, *place])
    _end(run, place)


def program() -> str:
    """How the user can type `otel-llm`: by name where the shell finds the one of this environment, else by its path."""
    script = Path(sys.executable).with_name("otel-llm")
    found = shutil.which("otel-llm")
    if found is not None and script.exists() and os.path.samefile(found, script):
        return "otel-llm"
    if not script.exists():
        return f"{shlex.quote(sys.executable)} -m otel_llm.cli"
    if script.is_relative_to(Path.cwd()) and script.parent != Path.cwd():
        script = script.relative_to(Path.cwd())
    return shlex.quote(str(script))


def _ask(title: str, command: Callable[[list[str]], int], words: Sequence[str]) -> None:
    _console.print(f"\n[bold]{title}[/bold]\n[cyan]$ {escape(program())} {escape(shlex.join(words))}[/cyan]")
    if code := command(list(words[1:])):
        raise OtelLlmError(f"`otel-llm {shlex.join(words)}` ended with exit code {code}")


def _workflow(run: Run) -> str:
    """The trace of the run's workflow."""
    query = """
        SELECT trace_id FROM read_parquet(?)
        WHERE operation = 'invoke_workflow' AND start_time_ns >= ? ORDER BY start_time_ns LIMIT 1
    """
    files = str(run.data / "spans" / "date=*" / "*.parquet")
    with duckdb.connect() as database:
        found = database.execute(query, [files, run.started_ns]).fetchone()
    if found is None:
        raise OtelLlmError(f"the workflow's trace is not in {files}; see {run.data / 'demo'} for the programs' output")
    return str(found[0])


def data_option(data: Path) -> list[str]:
    """`--data DIR`, or nothing where the commands look there anyway."""
    return [] if data == data_dir() else ["--data", str(data)]


def _end(run: Run, place: list[str]) -> None:
    ours = escape(program())
    first = "" if run.first_row_s is None else f"first priced row readable after {run.first_row_s:.1f} s, "
    _console.print(f"\n[bold]Done:[/bold] {first}all of it after {run.total_s:.1f} s. Nothing is left running.")
    _console.print("\n[bold]The data[/bold] is plain Parquet, yours to keep and to query with anything:")
    _console.print(f"  {escape(str(run.data))}/spans/date=*/*.parquet")
    _console.print("\n[bold]Try next[/bold]")
    for words in _NEXT:
        _console.print(f"  {ours} {escape(shlex.join([*words, *place]))}")
    _console.print("\n[bold]Your own application[/bold]")
    _console.print(f"  {ours} {escape(shlex.join(['collector', *place]))} &")
    _console.print(f"  {ours} run -- python your_app.py")
