"""CPU that we add to a call, as a ratio to the plain OpenTelemetry httpx2 instrumentor: part of `make bench-app`.

A raw httpx2 client, a provider inside the process, an exporter that does nothing. All variants run in one process, in
short blocks in random order; what a variant adds is the difference to the bare client's blocks of the same round.
Counted is the CPU of the whole process, threads of ours included, until they have nothing left to do; the caller's
thread alone is a second figure. docs/benchmarks.md says how to read the table.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from app_blocks import Plan, Sink, Variant, added, cost_us, measure, sink_and_provider
from app_cases import INPUT_TOKENS, OUTPUT_TOKENS, Case, all_cases, bare_call, plain_call
from opentelemetry.sdk.trace import TracerProvider

import otel_llm
from otel_llm.failures import counts as faults
from otel_llm.finisher import finisher
from otel_llm_semconv import attributes as a

ROUNDS: Final = 15
BLOCKS: Final = 3  # of each variant in a round
BLOCK_MS: Final = 16.0
PRICES_S_MAX: Final = 60.0
BARE, PLAIN, OFF, ON = "bare", "plain", "off", "on"
MODES: Final = {OFF: "NO_CONTENT", ON: "SPAN_ONLY"}


@contextmanager
def ours(provider: TracerProvider, mode: str) -> Iterator[None]:
    """otel-llm with content off or on, instrumented while inside."""
    otel_llm.instrument(tracer_provider=provider, capture_content=MODES[mode])
    try:
        yield
    finally:
        otel_llm.uninstrument()


def verdict(case: Case, spans: Sequence[Mapping[str, object]], mode: str) -> str:
    """Empty where the attributes of a call's spans are right: one of a model, with its tokens, content as asked."""
    calls = [attributes for attributes in spans if a.OPERATION in attributes]
    if len(calls) != 1:
        return "not seen" if not calls else f"{len(calls)} spans"
    found = calls[0]
    output = OUTPUT_TOKENS if case.has_messages else None
    if (found.get(a.USAGE_INPUT_TOKENS), found.get(a.USAGE_OUTPUT_TOKENS)) != (INPUT_TOKENS, output):
        return "tokens?"
    if case.has_messages and (mode == ON) != (a.OUTPUT_MESSAGES in found):
        return "content?"
    return ""


def raw_variants(case: Case) -> tuple[dict[str, Variant], dict[str, Sink]]:
    """Bare, the yardstick, ours without and with content; and where the spans of each go."""
    sinks: dict[str, Sink] = {}
    providers: dict[str, TracerProvider] = {}
    for name in (PLAIN, OFF, ON):
        sinks[name], providers[name] = sink_and_provider()
    off, on = providers[OFF], providers[ON]
    calls = bare_call(case), bare_call(case.brief)
    plain_calls = plain_call(case, providers[PLAIN]), plain_call(case.brief, providers[PLAIN])
    variants = {
        BARE: Variant(*calls),
        PLAIN: Variant(*plain_calls),
        OFF: Variant(*calls, lambda: ours(off, OFF), off.force_flush),
        ON: Variant(*calls, lambda: ours(on, ON), on.force_flush),
    }
    return variants, sinks


def warm_prices(variant: Variant) -> None:
    """Have the price data loaded before anything is timed."""
    deadline = time.monotonic() + PRICES_S_MAX
    with variant.switched_on():
        variant.call()
        finisher.start()
        while not finisher.prices_ready:
            if time.monotonic() > deadline:
                sys.exit("the price data did not load")
            time.sleep(0.05)
        finisher.drain(PRICES_S_MAX)


def run_case(case: Case, rounds: int, rng: random.Random) -> dict[str, Any]:
    """One row of the table."""
    variants, sinks = raw_variants(case)
    warm_prices(variants[OFF])
    assert len(sinks[PLAIN].spans_of(variants[PLAIN])) == 1, "the yardstick is not on"
    faults_before = faults.copy()
    seen = {name: [span.attributes or {} for span in sinks[name].spans_of(variants[name])] for name in (OFF, ON)}
    costs = measure(variants, Plan(rounds, BLOCKS, BLOCK_MS), rng)
    yardstick, new_faults = (PLAIN, BARE), faults - faults_before
    plain_us = added(costs, yardstick, yardstick).us
    row: dict[str, Any] = {"case": case.name, "bare_us": cost_us(costs[BARE]), "plain_added_us": plain_us}
    for name, bar in ((OFF, case.bars.off), (ON, case.bars.on)):
        found = added(costs, (name, BARE), yardstick)
        fault = verdict(case, seen[name], name)
        row[name] = {
            **found._asdict(),
            "bar": bar,
            "fault": fault,
            "met": not (fault or new_faults) and found.ratio <= bar,
        }
    row["faults"] = new_faults
    return row


def print_head(rounds: int) -> None:
    """What the columns are."""
    names = ("httpx2", "opentelemetry-instrumentation-httpx", "opentelemetry-sdk")
    print(f"otel-llm {version('otel-llm')} in {Path(otel_llm.__file__).parents[1]}")
    print(f"Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in names))
    print(f"CPU us a call, medians of {rounds} rounds; ratio: what we add / what the plain instrumentor adds; q1-q3\n")
    halves = "".join(f"| {'content ' + name:<37}" for name in (OFF, ON))
    print(f"{'':<17}{'bare':>7}{'plain':>7} {halves}| caller's ratio")
    columns = f"| {'+us':>6}{'ratio':>6} {'q1-q3':<11}{'bar':>4} {'':<8}"
    print(f"{'case':<17}{'us':>7}{'+us':>7} {columns * 2}|{'off':>6}{'on':>6}")


def print_row(row: Mapping[str, Any]) -> None:
    """One line of the table."""
    line = f"{row['case']:<17}{row['bare_us']:>7.0f}{row['plain_added_us']:>7.0f} {_half(row[OFF])}{_half(row[ON])}"
    print(f"{line}|{row[OFF]['caller_ratio']:>6.2f}{row[ON]['caller_ratio']:>6.2f}", flush=True)
    if row["faults"]:
        print(f"  faults of ours, swallowed: {dict(row['faults'])}")


def _half(figures: Mapping[str, Any]) -> str:
    sign = figures["fault"] or ("ok" if figures["met"] else "over")
    spread = f"{figures['low']:.2f}-{figures['high']:.2f}"
    return f"| {figures['us']:>6.0f}{figures['ratio']:>6.2f} {spread:<11}{figures['bar']:>4} {sign:<8}"


def run_apart(case: Case, chosen: argparse.Namespace) -> dict[str, Any]:
    """The row, from a process of its own: CPython stops specialising a class that was changed a thousand times."""
    command = [sys.executable, __file__, "--json", "--case", case.name]
    command += ["--rounds", str(chosen.rounds), "--seed", str(chosen.seed)]
    command += ["--few-headers"] if chosen.few_headers else []
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    row: dict[str, Any] = json.loads(done.stdout)["cases"][0]
    return row


def arguments() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description="CPU that we add to a call, over what the plain instrumentor adds")
    parser.add_argument("--quick", action="store_true", help="3 rounds: a first look")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--case", action="append", choices=[case.name for case in all_cases()], help="may be repeated")
    parser.add_argument("--seed", type=int, default=1, help="of the order of the blocks")
    parser.add_argument("--few-headers", action="store_true", help="answers of two headers: the strictest comparison")
    parser.add_argument("--json", action="store_true", help="the figures as JSON")
    chosen = parser.parse_args()
    chosen.rounds = 3 if chosen.quick else max(2, chosen.rounds)
    return chosen


def stay_on_one_core() -> None:
    """Where a process is moved from core to core its caches are cold again: what moves most often would pay most."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def main() -> None:
    chosen, rows = arguments(), []
    stay_on_one_core()
    cases = all_cases(chosen.case, few_headers=chosen.few_headers)
    if not chosen.json:
        print_head(chosen.rounds)
    for case in cases:
        one = len(cases) == 1
        rows.append(run_case(case, chosen.rounds, random.Random(chosen.seed)) if one else run_apart(case, chosen))
        if not chosen.json:
            print_row(rows[-1])
    met, bars = sum(row[name]["met"] for row in rows for name in MODES), len(MODES) * len(rows)
    if chosen.json:
        print(json.dumps({"rounds": chosen.rounds, "met": met, "bars": bars, "cases": rows}, indent=2))
    else:
        print(f"\nbars met: {met} of {bars}")


if __name__ == "__main__":
    main()
