"""How the collector's commands run inside `otel-llm`: options by typer, one line for an error, one exit code a kind."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Final

import typer

from otel_llm.errors import OtelLlmError, UsageError

INTERRUPTED = 130
#: Packages whose errors say what is wrong with the data or the query: their text is the user's, their traceback is not.
_SPEAKING: Final = frozenset({"duckdb", "_duckdb", "deltalake", "_internal", "pyarrow"})


def run(name: str, function: Callable[..., None], argv: list[str]) -> int:
    """Run one command; its exit code. Errors leave as one line on stderr."""
    app = _app()
    app.command(name)(function)
    return _run(name, app, argv)


def run_parts(name: str, parts: Mapping[str, Callable[..., None]], meaning: str, argv: list[str]) -> int:
    """Run one of a command's parts: `otel-llm NAME PART`."""
    app = _app()
    app.callback(help=meaning)(lambda: None)
    for part, function in parts.items():
        app.command(part)(function)
    return _run(name, app, argv)


def _app() -> typer.Typer:
    return typer.Typer(add_completion=False, rich_markup_mode=None)


def _run(name: str, app: typer.Typer, argv: list[str]) -> int:
    try:
        code = typer.main.get_command(app).main(args=argv, prog_name=f"otel-llm {name}", standalone_mode=False)
    except OtelLlmError as error:
        return _fail(name, str(error), error.exit_code)
    except typer.TyperException as error:
        message = error.format_message() if hasattr(error, "format_message") else str(error)
        return _fail(name, f"{message.rstrip('.')}; see `otel-llm {name} --help`", UsageError.exit_code)
    except typer.Abort:
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except OSError as error:
        return _fail(name, os_error_text(error), OtelLlmError.exit_code)
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in _SPEAKING:
            raise
        return _fail(name, str(error), OtelLlmError.exit_code)
    return int(code or 0)


def os_error_text(error: OSError) -> str:
    """What the system refused, and where."""
    if error.strerror is None:
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror


def say(message: str) -> None:
    """A line for people: stdout carries data only."""
    if sys.stderr is not None:  # closed by the caller, as in `2>&-`; print would turn to stdout
        with contextlib.suppress(OSError):
            print(message, file=sys.stderr)  # noqa: T201


@contextlib.contextmanager
def stdout_bytes() -> Iterator[IO[bytes]]:
    """Standard output for an answer. A reader that has seen enough, as `head` has, ends the command without a word."""
    if sys.stdout is None:
        raise OtelLlmError("cannot write the answer: stdout is closed")
    try:
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        _forget_stdout()
        raise typer.Exit(0) from None
    except OSError as error:
        if error.errno is None:  # how Arrow passes on what failed while it was read
            raise
        _forget_stdout()
        raise OtelLlmError(f"cannot write the answer: {error.strerror}") from error


def _forget_stdout() -> None:
    """What is still buffered goes nowhere: the interpreter flushes at its end, and would fail again."""
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _fail(name: str, message: str, code: int) -> int:
    say(f"otel-llm {name}: {' '.join(message.split())}")
    return code
