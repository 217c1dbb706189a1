"""The command `otel-llm`: finds its sub-commands through the entry-point group `otel_llm.commands`."""

from __future__ import annotations

import contextlib
import difflib
import os
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points, version
from typing import Final

from .errors import MissingExtraError, OtelLlmError, UsageError

GROUP: Final = "otel_llm.commands"
#: One line a command, without importing it. A command of somebody else's package has none.
SUMMARIES: Final[Mapping[str, str]] = {
    "alerts": "rules that tell somebody: list, replay history, try a channel, silence",
    "anomalies": "days that were not as such days are: cost, tokens, errors, latency",
    "cache": "what was read from caches, and what that saved",
    "collector": "receive, store and price telemetry, until Ctrl-C",
    "compact": "few files out of many now, as the collector makes them at night",
    "cost": "what was spent, by model, user, agent, property ...",
    "demo": "everything at work on this machine: no key, no network",
    "doctor": "is everything attached, does every span arrive, is the bill whole?",
    "errors": "which calls failed, how, how often",
    "export": "calls, any query, conversations for fine-tuning, or OTLP, into a file",
    "forecast": "what the month will have cost, and with another model",
    "forget": "erase what one user or session said; costs and counts stay",
    "gc": "delete files that nobody needs: left by a kill, replaced, unfinished",
    "import": "exports of Helicone, Langfuse, ClickHouse and OTLP files into the tables",
    "latency": "how long calls took, and the time to their first chunk",
    "prices": "the price list: look, compute, compare, replace, find what has none",
    "prompts": "versions of prompts side by side: cost, tokens, latency, errors, scores",
    "renormalise": "archived requests once more, after a mapping was corrected, and what that changed",
    "report": "what was spent, on what, what has changed: a page with charts, by mail too",
    "reprice": "what calls would cost by other prices or contracts, beside what they did",
    "run": "run a command with every Python process of it instrumented",
    "score": "say what an answer was worth: a span, a trace, a response or a session",
    "sessions": "who did what when, in how many calls, at what cost",
    "sql": "ask the stored data anything",
    "top": "what goes on now: calls, money, errors, latency",
    "trace": "one trace as a tree, with cost and time a subtree",
    "users": "who used how much, how often, since when",
}
_EXTRAS: Final[Mapping[str, str]] = {"demo": "demo", "report": "report"}
_EXTRA: Final = "collector"
_OURS: Final = ("otel_llm", "otel_llm_semconv", "otel_llm_collector", "otel_llm_gateway")
_INTERRUPTED: Final = 130


def main(argv: list[str] | None = None) -> int:
    """Run one sub-command and answer the process's exit code."""
    words = sys.argv[1:] if argv is None else argv
    try:
        return _dispatch(words)
    except OtelLlmError as error:
        _complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        _forget_stdout()  # the reader has gone, as in `| head`: nothing more to say
        return 0
    except OSError as error:
        _complain(f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error))
        _forget_stdout()
        return OtelLlmError.exit_code


def _complain(message: str) -> None:
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            print(f"otel-llm: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201 - for the user to read


def _forget_stdout() -> None:
    """What is still buffered goes nowhere: the interpreter flushes at its end, and would fail again."""
    if sys.stdout is not None:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        return _show(_help())
    if words[0] in ("-V", "--version"):
        return _show(f"otel-llm {version('otel-llm')}")
    code = _load(words[0])(words[1:])
    if sys.stdout is not None:  # closed by the caller, as in `>&-`
        sys.stdout.flush()
    return code


def _show(text: str) -> int:
    if sys.stdout is None:
        raise OtelLlmError("stdout is closed")
    print(text, flush=True)  # noqa: T201 - asked for
    return 0


def _load(name: str) -> Callable[[list[str]], int]:
    found = _commands().get(name)
    if found is None:
        near = difflib.get_close_matches(name, _commands(), n=1)
        hint = f", did you mean {near[0]!r}?" if near else ";"
        raise UsageError(f"unknown command {name!r}{hint} `otel-llm --help` lists them")
    try:
        loaded: Callable[[list[str]], int] = found.load()
    except ModuleNotFoundError as error:
        if error.name and error.name.partition(".")[0] in _OURS:
            raise
        raise MissingExtraError(f"pip install 'otel-llm[{_EXTRAS.get(name, _EXTRA)}]'") from error
    return loaded


def _commands() -> dict[str, EntryPoint]:
    return {found.name: found for found in sorted(entry_points(group=GROUP), key=lambda found: found.name)}


def _help() -> str:
    lines = [f"  {name:<12}{SUMMARIES.get(name, '')}".rstrip() for name in _commands()]
    return "\n".join(
        [
            "usage: otel-llm COMMAND [OPTION ...]",
            "",
            "OpenTelemetry for LLM applications: every call a span, every span a priced row, every question SQL.",
            "",
            *lines,
            "",
            "otel-llm COMMAND --help explains a command; otel-llm --version prints the version.",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
