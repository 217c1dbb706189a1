"""What the demo says while it runs, on stderr: stdout is for the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

_console = Console(highlight=False, soft_wrap=True, stderr=True)


@contextmanager
def step(title: str) -> Iterator[Callable[[str], None]]:
    """A step that takes a while: a spinner on a terminal, then a line. What it yields says how far it has come."""
    with _console.status(escape(title)) as status:
        yield lambda so_far: status.update(f"{escape(title)}: {escape(so_far)}")
    _console.print(f"[green]✓[/green] {escape(title)}")


def say(text: str) -> None:
    """One line about what happens."""
    _console.print(escape(text))


def quote(output: str) -> None:
    """What a program of the demo printed, set off from our own words."""
    for line in output.rstrip().splitlines():
        _console.print(f"  [dim]{escape(line)}[/dim]")
