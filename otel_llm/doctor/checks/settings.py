"""Whether the settings say what was meant."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from otel_llm_semconv.attributes import OPT_IN_CONTENT_ENV

from ...content import Mode
from ...failures import RAISE_ENV
from ...settings import SETTINGS
from ..finding import Finding, note, ok, problem
from ..scene import Scene

_DATA: Final = "OTEL_LLM_DATA"
_OURS: Final = "OTEL_LLM_"


def readable(scene: Scene) -> Iterator[Finding]:
    """Every setting of ours can be read."""
    for row in SETTINGS:
        written = scene.get(row.env)
        try:
            row.parse(written or row.default)
        except ValueError as error:
            yield problem(
                f"{row.env}={written} cannot be read ({error}): otel-llm does not start",
                f"unset it, or correct it. It is: {row.doc}. Default: {row.default or 'nothing'}",
            )


def spelling(scene: Scene) -> Iterator[Finding]:
    """No variable of ours is misspelled."""
    known = [row.env for row in SETTINGS]
    for name in sorted(scene.environment):
        if name.startswith(_OURS) and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            yield note(f"{name} is no setting of this version", f"did you mean {near[0]}?" if near else f"unset {name}")


def content(scene: Scene) -> Iterator[Finding]:
    """The content mode is one of the specification's."""
    written = scene.get(OPT_IN_CONTENT_ENV)
    word = written.upper()
    if word == "TRUE":
        yield note(f"{OPT_IN_CONTENT_ENV}={written} is read as SPAN_ONLY", f"{OPT_IN_CONTENT_ENV}=SPAN_ONLY")
    elif word and word not in (*Mode.__members__, "FALSE"):
        yield problem(
            f"{OPT_IN_CONTENT_ENV}={written} is no mode: no content is recorded",
            f"one of {', '.join(Mode.__members__)}",
        )
    if content_mode(scene).on_event and scene.get("OTEL_LOGS_EXPORTER") in ("", "none"):
        yield problem(
            f"{OPT_IN_CONTENT_ENV}={written} sends content as events, and no exporter of logs is set",
            f"OTEL_LOGS_EXPORTER=otlp, or {OPT_IN_CONTENT_ENV}=SPAN_ONLY",
        )


def content_mode(scene: Scene) -> Mode:
    """Where content goes by the environment, without the warnings of reading it."""
    word = scene.get(OPT_IN_CONTENT_ENV).upper()
    return Mode.SPAN_ONLY if word == "TRUE" else Mode.__members__.get(word, Mode.NO_CONTENT)


def raise_errors(scene: Scene) -> Iterator[Finding]:
    """Faults of ours stay ours."""
    if scene.get(RAISE_ENV).lower() in ("1", "true", "yes", "on"):
        yield problem(f"{RAISE_ENV} is on: faults of otel-llm are raised inside the app", f"unset {RAISE_ENV}")


def data(scene: Scene) -> Iterator[Finding]:
    """The collector's data directory, where one is named, can be used."""
    written = scene.get(_DATA)
    if not written or "://" in written:
        return
    folder = Path(written)
    if not folder.exists():
        yield note(f"{_DATA}={written} is not there yet", "the collector makes it; a command that reads needs one")
    elif not folder.is_dir() or not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield problem(f"{_DATA}={written} is no directory that can be written", "correct the path or its rights")
    else:
        yield ok(f"data directory: {written}")


def service_name(scene: Scene) -> Iterator[Finding]:
    """The app has a name."""
    if not scene.get("OTEL_SERVICE_NAME") and "service.name=" not in scene.get("OTEL_RESOURCE_ATTRIBUTES"):
        yield note(
            "the app has no name: its spans are of unknown_service",
            "OTEL_SERVICE_NAME=NAME, or start with `otel-llm run`, which takes the program's",
        )
