"""What the processes of a command did. Without a command there is nothing to say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from ..finding import Finding, note, ok, problem
from ..scene import Scene
from ..setup import OTLP_GRPC, OTLP_HTTP

_SHOWN: Final = 10
_NO_USAGE: Final = "for streams of OpenAI's format ask with stream_options={'include_usage': True}"
_NO_PRICE: Final = "pip install -U genai-prices, which may know the model by now"
#: Why a call has no cost -> what to do, where that is not to look for its price.
_CURES: Final = {
    "inconsistent_usage": "parts of the usage are more than the whole: tell the provider, or us if we read it wrong",
    "missing_usage": f"{_NO_USAGE}, or have us ask: OTEL_LLM_INCLUDE_USAGE=true",
}


def processes(scene: Scene) -> Iterator[Finding]:
    """A Python with otel-llm ran."""
    run = scene.observed.run
    if run is not None and not run.armed:
        yield problem(
            "no Python of the command had otel-llm: nothing was instrumented",
            "install otel-llm into the environment that the command runs in, and use that one's python",
        )


def ends(scene: Scene) -> Iterator[Finding]:
    """Every process came to Python's own end."""
    run = scene.observed.run
    if run is None:
        return
    if run.silent:
        yield note(
            f"{run.silent} process{'es' * (run.silent != 1)} ended without Python's own exit (a signal, os._exit): the "
            "spans of the last seconds are lost, and are not in the counts below",
            "end with sys.exit, handle SIGTERM, or OTEL_BSP_SCHEDULE_DELAY=200",
        )
    if run.exit_code and run.armed and not run.calls:
        yield problem(
            f"the command ended with {run.exit_code} before it called a model",
            "see what it says above, and run it alone",
        )
    elif run.exit_code:
        yield note(f"the command ended with {run.exit_code}")


def calls(scene: Scene) -> Iterator[Finding]:
    """Calls of models were recognised."""
    run = scene.observed.run
    if run is None or not run.armed:
        return
    if run.exit_code and not run.calls:
        return  # `ends` says it
    for what, count in _most(run.calls):
        yield ok(f"{count} call{'s' * (count != 1)}: {what}")
    if not run.calls:
        yield note(
            "no call of a model was seen",
            "if there was one: is its library among the hooks? Is it a host of your own, for OTEL_LLM_HOSTS?",
        )


def money(scene: Scene) -> Iterator[Finding]:
    """Calls have tokens and a price."""
    run = scene.observed.run
    if run is None:
        return
    for what, count in _most(run.calls_without_usage):
        yield note(
            f"{count} without tokens, so without cost: {what}",
            f"{_NO_USAGE}, or have us ask: OTEL_LLM_INCLUDE_USAGE=true",
        )
    for what, count in _most(run.calls_without_price):
        yield note(f"{count} without cost: {what}", _CURES.get(what.rpartition(": ")[2], _NO_PRICE))


def unrecognised(scene: Scene) -> Iterator[Finding]:
    """Requests to a provider that are no call that we read."""
    run = scene.observed.run
    for what, count in _most(run.unrecognised if run else Counter()):
        yield note(f"{count} request{'s' * (count != 1)} to a provider made no span: {what}")


def exported(scene: Scene) -> Iterator[Finding]:
    """What was collected has arrived."""
    run = scene.observed.run
    if run is None:
        return
    for where, count in _most(run.exported):
        yield ok(f"{count} span{'s' * (count != 1)} exported: {where}")
    fix = "`otel-llm doctor` without a command asks the collector; OTEL_BSP_MAX_QUEUE_SIZE makes the queue longer"
    for what, count in _most(run.drops):
        yield problem(f"lost: {count} {what}", fix)
    for where, count in _most(Counter() if run.drops else run.refused):
        yield problem(f"lost: {count} span(s) that were not taken by {where}", fix)
    gone = run.ended - run.exported.total() - max(run.drops.total(), run.refused.total())
    if gone > 0 and [one.exporter for one in scene.observed.destinations] in ([OTLP_HTTP], [OTLP_GRPC]):
        yield problem(
            f"lost: {gone} span(s) of processes that ended without handing them over",
            "end processes as Python does; OTEL_BSP_SCHEDULE_DELAY=200 makes spans leave sooner",
        )


def faults(scene: Scene) -> Iterator[Finding]:
    """otel-llm worked."""
    run = scene.observed.run
    for what, count in _most(run.faults if run else Counter()):
        yield problem(
            f"otel-llm failed inside, {count} time{'s' * (count != 1)} ({what}); the app was not affected",
            "pip install -U otel-llm; if that is the newest, tell its developers what the log says",
        )


def _most(counts: Counter[str]) -> list[tuple[str, int]]:
    return counts.most_common(_SHOWN)
