"""`otel-llm doctor`: is everything attached, does every span arrive, is the bill whole? With the fix where not.

    without a command: observe.py, a process that tries this environment out ──┐
    with one:          watch.py, in every process of the command ──────────────┴─> Scene ──> checks/ ──> page.py
    --collector URL:   collector.py, over HTTP ────────────────────────────────────────────────────────> page.py

A check is a function in `checks/` and a row of its table.
"""

from __future__ import annotations

from typing import Final

from ..errors import UsageError

USAGE: Final = "usage: otel-llm doctor [--format FORMAT] [--collector URL | -- COMMAND ...]"
FORMATS: Final = ("json", "table")
_HELP: Final = """\
Says what is installed, which hooks attach to it, where spans go, whether the
collector answers, whether sampling cuts the bill, and how to fix what is wrong.

Without a command it tries this environment out, in a process of its own. With
one it runs the command as `otel-llm run` does, and says at the end what was
seen. The output of the command goes to stderr.

  --format table|json   text for people (default), or one JSON object
  --collector URL       ask the collector there how it is instead: does it take
                        requests, what was refused, dropped, left waiting; with
                        the token and certificates that the exporter would use

Exit codes: 0 fine, or notes only; 1 a problem was found; 2 wrong usage."""


def command(argv: list[str]) -> int:
    """Examine this environment, or what a command does in it."""
    if argv and argv[0] in ("-h", "--help"):
        print(f"{USAGE}\n\n{_HELP}")  # noqa: T201 - help goes to stdout
        return 0
    form, url, words = _read(argv)
    if url:
        return _ask_collector(url, form)
    from .checks import examine
    from .page import as_json, as_table
    from .scene import take_in
    from .trial import follow, try_out

    environment, observed = follow(words) if words else try_out()
    results = examine(take_in(environment, observed))
    print(as_json(results, observed) if form == "json" else as_table(results))  # noqa: T201 - what was asked for
    return int(any(result.finding.level == "problem" for result in results))


def _ask_collector(url: str, form: str) -> int:
    from .collector import examine_collector
    from .page import as_json, as_table

    results = examine_collector(url)
    print(as_json(results) if form == "json" else as_table(results))  # noqa: T201 - what was asked for
    return int(any(result.finding.level == "problem" for result in results))


def _read(argv: list[str]) -> tuple[str, str, list[str]]:
    """The format, the collector to ask or '', and the command to run or nothing."""
    given, words = {"--format": "table", "--collector": ""}, list(argv)
    while words and words[0] != "--":
        name, equals, value = words.pop(0).partition("=")
        if name not in given:
            raise UsageError(f"{name}? {USAGE}")
        given[name] = value if equals else (words.pop(0) if words else "")
        if not given[name]:
            raise UsageError(f"{name} needs a value; {USAGE}")
    if given["--format"] not in FORMATS:
        raise UsageError(f"--format is one of {', '.join(FORMATS)}")
    if words == ["--"] or (words and given["--collector"]):
        raise UsageError(f"a command, or --collector URL; {USAGE}")
    return given["--format"], given["--collector"], words[1:]
