"""What `otel-llm demo --history` says at the end: the questions that its data answer."""

from __future__ import annotations

import shlex
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from ..report import data_option, program
from .questions import QUESTIONS
from .stage import Made

_console = Console(highlight=False, soft_wrap=True)


def show(made: Made) -> None:
    """The questions with the commands that answer them, and where the data lies, on stdout."""
    story = made.story
    _console.print(f"{made.spans:,} spans of {story.days} days until {story.until:%Y-%m-%d %H:%M} UTC, ask them:")
    for question in QUESTIONS:
        words = f"{program()} {question.line(story)} {shlex.join(data_option(made.data))}".rstrip()
        _console.print(f"\n[bold]{escape(question.asked)}[/bold]\n  {escape(words)}")
    _console.print(
        f"\n[bold]Done[/bold] after {made.seconds:.1f} s. Nothing is left running. The data is plain Parquet:"
    )
    _console.print(f"  {escape(str(made.data / Path('spans/date=*/*.parquet')))}")
