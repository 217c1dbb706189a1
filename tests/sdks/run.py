"""Tries otel-llm with the newest SDKs: `make test-sdks`, or `python3 tests/sdks/run.py [NAME ...]`; see README.md.

Each folder beside this file that has a requirements.txt becomes an environment below .venvs/sdks, in which its tests
run. Results go to docs/sdks.json and, as a table, docs/sdks.md. The exit code is 1 if a test failed, an environment
could not be installed, or an SDK's newest release was kept out by the others. Needs uv beside it.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import page
from environments import HERE, ROOT, VENVS, Environment, EnvironmentFailedError, names, normalised

RESULTS = Path(__file__).parents[2] / "docs/sdks.json"
TOTAL_S_MAX = 25 * 60


def main(argv: Sequence[str] | None = None) -> int:
    """Install, test, write down. Returns the exit code."""
    options = _options(argv)
    deadline_s = time.monotonic() + TOTAL_S_MAX
    with ThreadPoolExecutor(options.jobs) as pool:
        found = dict(zip(options.names, pool.map(partial(_try, options, deadline_s), options.names), strict=True))
    if options.json:
        _write(options.json, found)
    counts = sum((Counter(each["counts"]) for each in found.values()), Counter[str]())
    broken = [name for name, each in found.items() if each["error"]]
    for name in broken:
        print(f"{name}: {found[name]['error']}")
    skipped = f", {counts['skipped']} skipped" if counts["skipped"] else ""
    print(f"{counts['passed']} passed, {counts['failed']} failed{skipped} in {len(found)} environments")
    return int(bool(broken or counts["failed"]))


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="run.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="environments; all without")
    parser.add_argument("--keep", action="store_true", help="use the environments as they are, install nothing")
    parser.add_argument("--jobs", type=int, default=2, help="environments at once")
    parser.add_argument("--json", type=Path, help="results, table beside it; docs/sdks.json without pytest arguments")
    ours, pytests = _split(list(sys.argv[1:] if argv is None else argv))
    options = parser.parse_args(ours)
    options.pytest = pytests
    options.json = options.json or (None if pytests else RESULTS)
    options.names = options.names or names()
    if unknown := set(options.names) - set(names()):
        parser.error(f"no such environment: {', '.join(sorted(unknown))}; there are {', '.join(names())}")
    return options


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """The arguments before and after `--`."""
    at = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:at], arguments[at + 1 :]


def _try(options: argparse.Namespace, deadline_s: float, name: str) -> dict[str, Any]:
    """One environment: what its tests saw, and what kept them from it."""
    environment = Environment(HERE / name, deadline_s)
    result: dict[str, Any] = {"date": f"{datetime.now(UTC):%Y-%m-%d}", "error": None, "notes": []}
    result |= {"counts": {}, "sdks": {}}
    began_s = time.monotonic()
    try:
        if not options.keep:
            environment.install("--editable", ROOT, "pytest", "-r", environment.requirements)
        seen = environment.test(options.pytest)
        versions = environment.versions()
        features = {
            sdk: {"version": versions.get(normalised(sdk)), "features": found} for sdk, found in seen["sdks"].items()
        }
        result |= {"python": environment.python(), "counts": seen["counts"], "sdks": features}
        if not seen["counts"]:
            result["error"] = "no test ran"
        elif not options.keep:
            result["error"], result["notes"] = _objections(environment, versions)
    except EnvironmentFailedError as error:
        result["error"] = str(error)
        print(error.output, file=sys.stderr, flush=True)
    told = result["error"] or ", ".join(f"{number} {outcome}" for outcome, number in sorted(result["counts"].items()))
    print(f"{name}: {told} ({time.monotonic() - began_s:.0f} s)", flush=True)
    return result


def _objections(environment: Environment, versions: dict[str, str]) -> tuple[str | None, list[str]]:
    """What is wrong with the releases that were tried, and what a reader should know about them."""
    notes, pinned = [], []
    for name, newest in environment.newest().items():
        if versions.get(name) == newest:
            continue
        refusal = environment.refusal(f"{name}=={newest}")
        if refusal is None:
            pinned.append(f"{name} {versions.get(name)}, not {newest}")
        else:
            notes.append(f"{name} {newest} did not install: {refusal}")
    if pinned:
        return f"held back by the others, so in need of an environment of its own: {', '.join(pinned)}", notes
    return None, notes


def _write(path: Path, found: dict[str, Any]) -> None:
    """Put the results among those of the other environments, which another run may be writing too."""
    (VENVS / "sdks").mkdir(parents=True, exist_ok=True)
    with (VENVS / "sdks/writing").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = json.loads(path.read_text()) if path.exists() else {}
        results = {name: found.get(name, before.get(name)) for name in names()}
        known = {name: result for name, result in results.items() if result is not None}
        path.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n")
        path.with_suffix(".md").write_text(page.render(known))


if __name__ == "__main__":
    sys.exit(main())
