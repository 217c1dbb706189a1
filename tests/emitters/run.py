"""Runs the emitters and compares what they send with what is stored: `make test-emitters`; see README.md.

Each folder beside this file that has a requirements.txt, package.json or pom.xml becomes an environment below
.venvs/emitters, of the very versions in its lock, in which its program makes its calls against the stand-in. The exit
code is 1 if one could not be installed or run, or sent something else than what is stored.

  --newest   installs the newest releases instead and says what they send otherwise
  --write    the same, and stores what they send, and the versions
"""

from __future__ import annotations

import argparse
import difflib
import shutil
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from emitters.emission import Emission, comparable, emitters, known_headers, number_of_records, read, stored
from emitters.otlpjson import to_json
from emitters.programs import Program, program
from emitters.receiver import Received, Receiver
from sdks.environments import EnvironmentFailedError

from otel_llm_collector.demo.standin import Call, Standin

TOTAL_S_MAX = 20 * 60
#: What the end of the output says of an emitter that failed; all of it stands above.
_LINES_MAX = 6
_LINE_LENGTH_MAX = 300


def main(argv: Sequence[str] | None = None) -> int:
    """Install, run, compare or store. Returns the exit code."""
    options = _options(argv)
    deadline_s = time.monotonic() + TOTAL_S_MAX
    with ThreadPoolExecutor(options.jobs) as pool:
        problems = dict(zip(options.names, pool.map(partial(_try, options, deadline_s), options.names), strict=True))
    failed = {name: found for name, found in problems.items() if found}
    for name, found in failed.items():
        print(f"FAILED {name}:", *(line[:_LINE_LENGTH_MAX] for line in found[:_LINES_MAX]), sep="\n  ")
    print(f"{len(problems) - len(failed)} passed, {len(failed)} failed")
    return int(bool(failed))


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="emitters", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="emitters; all without")
    parser.add_argument("--newest", action="store_true", help="install the newest releases, not those of the lock")
    parser.add_argument("--write", action="store_true", help="store what the newest releases send")
    parser.add_argument("--keep", action="store_true", help="use the environments as they are, install nothing")
    parser.add_argument("--jobs", type=int, default=2, help="environments at once")
    options = parser.parse_args(argv)
    options.names = options.names or emitters()
    if unknown := set(options.names) - set(emitters()):
        parser.error(f"no such emitter: {', '.join(sorted(unknown))}; there are {', '.join(emitters())}")
    return options


def _try(options: argparse.Namespace, deadline_s: float, name: str) -> list[str]:
    """One emitter; its problems."""
    began_s = time.monotonic()
    emitter = program(name, deadline_s)
    try:
        if not options.keep:
            emitter.prepare(newest=options.newest or options.write)
        sent = emit(emitter)
        problems = _store(emitter, sent) if options.write else _differences(name, sent)
    except EnvironmentFailedError as error:
        print(error.output, file=sys.stderr, flush=True)
        problems = [str(error)]
    told = "\n".join(problems) or f"{len(sent)} calls"
    print(f"{name}: {told} ({time.monotonic() - began_s:.0f} s)", flush=True)
    return problems


def emit(emitter: Program) -> list[Emission]:
    """Run its program against a stand-in and a receiver of its own: what it sent, by call."""
    sent: list[Emission] = []
    packages = emitter.packages()

    def take(call: str, received: Received) -> None:
        number = sum(len(emission.calls) for emission in sent)
        calls = [_request(one) for one in standin.calls[number:]]
        traces, logs = to_json(received.traces), to_json(received.logs)
        about = {"signal": received.signal, "is_brief": received.is_brief}
        sent.append(Emission(emitter.name, call, packages, received.told, calls, traces, logs, **about))

    known = [read(path) for path in stored(emitter.name)]
    expected = {one.call: number_of_records(one.traces, one.logs) for one in known if not one.is_brief}
    with Standin(keep_requests=True, latency_ms=5, chunk_ms=1) as standin, Receiver(take, expected) as receiver:
        emitter.start(standin, receiver.url)
    return sent


def _request(call: Call) -> dict[str, Any]:
    """A request and its answer as they are stored; the path is one, also where the stand-in was asked as a proxy."""
    target = urlunsplit(urlsplit(call.target or "")._replace(scheme="", netloc=""))
    kept = {name: getattr(call, name) for name in ("provider", "body", "stream", "status", "id", "model", "usage")}
    return {**kept, "target": target, "headers": known_headers(call.headers)}


def _store(emitter: Program, sent: list[Emission]) -> list[str]:
    folder = emitter.folder / "emitted"
    shutil.rmtree(folder, ignore_errors=True)
    for emission in sent:
        emission.write()
    emitter.lock()
    return [] if sent else ["it made no call"]


def _differences(name: str, sent: list[Emission]) -> list[str]:
    """What is sent otherwise than it is stored."""
    before = {path.stem: read(path) for path in stored(name)}
    now = {emission.call: emission for emission in sent}
    problems = [f"{call} is stored, and was not made" for call in before.keys() - now.keys()]
    problems += [f"{call} is not stored: --write" for call in now.keys() - before.keys()]
    for call in sorted(before.keys() & now.keys()):
        lines = difflib.unified_diff(comparable(before[call]), comparable(now[call]), call, "now", n=0, lineterm="")
        problems += list(lines)
    return problems


if __name__ == "__main__":
    sys.exit(main())
