"""The processes whose testimony is examined: one that tries the environment out, or those of a command."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from ..run import boot_folder, environment, find
from .observe import ENVIRONMENT
from .scene import Observed, Run, SeenHook
from .watch import SITECUSTOMIZE

OBSERVE_S_MAX: Final = 120
_OBSERVER: Final = f"{__package__}.observe"


def try_out(timeout_s: float = OBSERVE_S_MAX) -> tuple[Mapping[str, str], Observed]:
    """This environment, tried out in a process of its own, of which nothing is exported."""
    given = dict(os.environ)
    path = [entry for entry in given.get("PYTHONPATH", "").split(os.pathsep) if entry not in ("", boot_folder())]
    child = {**given, **ENVIRONMENT, "PYTHONPATH": os.pathsep.join(path)}
    with tempfile.TemporaryDirectory(prefix="otel-llm-doctor-") as folder:
        seen = Path(folder) / "seen.json"
        _say("trying this environment out ...")
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(  # noqa: S603 - ourselves
                [sys.executable, "-m", _OBSERVER, str(seen)],
                env=child,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=timeout_s,
                check=False,
            )
        if not seen.exists():
            return given, Observed(error="the process that tries the environment out did not start", loaded=False)
        return given, Observed.read(json.loads(seen.read_text()))


def follow(words: list[str]) -> tuple[Mapping[str, str], Observed]:
    """Run a command to its end and sum up what its processes saw. Ctrl-C goes to it; it ends, then this does."""
    with tempfile.TemporaryDirectory(prefix="otel-llm-doctor-") as name:
        folder = Path(name)
        (folder / "sitecustomize.py").write_text(SITECUSTOMIZE)
        made = environment(words, os.environ)
        made["PYTHONPATH"] = os.pathsep.join([name, made["PYTHONPATH"]])
        code = _run([find(words[0]), *words[1:]], made)
        return made, _sum_up(folder, code)


def _run(words: list[str], made: Mapping[str, str]) -> int:
    process = subprocess.Popen(words, env=made, stdout=sys.stderr)  # noqa: S603 - what was asked for
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # the terminal has sent it to the command as well
            continue


def _sum_up(folder: Path, code: int) -> Observed:
    """What the processes saw, together. The set-up is that of the first that has one."""
    seen = list(_reports(folder))
    run = Run(exit_code=code)
    for one in seen:
        run.add(one.run or Run())
    ended = {path.name.removeprefix("seen-").removesuffix(".json") for path in folder.glob("seen-*")}
    busy = {path.name.removeprefix("busy-") for path in folder.glob("busy-*")}
    run.silent = len(busy - ended)
    run.armed = len(list(folder.glob("armed-*")))
    observed = next((one for one in seen if one.provider), seen[0] if seen else Observed(loaded=False))
    observed.run = run
    observed.hooks = _best(row for one in seen for row in one.hooks)
    return observed


def _best(rows: Iterable[SeenHook]) -> list[SeenHook]:
    """One row a target: of the processes that got there, if any did."""
    found: dict[str, SeenHook] = {}
    for row in rows:
        if row.target not in found or found[row.target].state == "waiting":
            found[row.target] = row
    return list(found.values())


def _reports(folder: Path) -> Iterator[Observed]:
    for path in sorted(folder.glob("seen-*.json"), key=lambda path: path.stat().st_mtime):
        with contextlib.suppress(ValueError):  # cut short by a kill
            yield Observed.read(json.loads(path.read_text()))


def _say(text: str) -> None:
    if sys.stderr is not None and sys.stderr.isatty():
        print(text, file=sys.stderr)  # noqa: T201 - progress
