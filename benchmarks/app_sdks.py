"""The CPU that instrumentations add to a call through the openai and anthropic SDKs: ours, and its peers.

The second table of `make bench-app`. Each instrumentation, with content off and on, runs in a process of its own and is
compared there with the bare SDK. The yardstick is what the plain OpenTelemetry httpx2 instrumentor adds in the same
process to the SDK's own request, sent by a raw client: through the SDK its 0.1 ms drown in the parsing of a stream.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import anthropic
import httpx2
import openai
from app_blocks import Call, Plan, Variant, added, cost_us, measure, sink_and_provider
from app_cases import ANTHROPIC, INPUT_TOKENS, OUTPUT_TOKENS, Case, all_cases, bare_call, plain_call, transport
from opentelemetry import trace
from peers import ENVIRONMENTS, OURS, PEERS, Instrumentation, Peer

ROUNDS: Final = 11
BLOCKS: Final = 2  # of each variant in a round
BLOCK_MS: Final = 40.0
RAW, PLAIN, BARE, ON = "raw", "plain", "bare", "on"
NOT_ON: Final = "not on"
NATIVE_TRACING: Final = "ANTHROPIC_OPEN_TELEMETRY"

#: What tells the span of a model's call from others, and where it has its tokens, in the dialects of the peers.
CALL_KEYS: Final = ("gen_ai.operation.name", "openinference.span.kind", "langfuse.observation.type")
INPUT_KEYS: Final = ("gen_ai.usage.input_tokens", "llm.token_count.prompt", "langfuse.observation.usage_details")
OUTPUT_KEYS: Final = ("gen_ai.usage.output_tokens", "llm.token_count.completion", "langfuse.observation.usage_details")

METHODS: Final[Mapping[str, Callable[[Any], Callable[..., Any]]]] = {
    "chat": lambda client: client.chat.completions.create,
    "responses": lambda client: client.responses.create,
    "embeddings": lambda client: client.embeddings.create,
    "messages": lambda client: client.messages.create,
}


# In the process of one instrumentation


def sdk_call(case: Case, transport_: httpx2.MockTransport | None = None) -> Call:
    """The case's call through its SDK; a stream is read to its end."""
    sdk = anthropic.Anthropic if ANTHROPIC in case.url else openai.OpenAI
    client = sdk(api_key="key", http_client=httpx2.Client(transport=transport_ or transport(case)))
    method = METHODS[case.name.partition(" ")[0]]  # looked up for each call: some replace it on the class

    def call() -> None:
        answer = method(client)(**case.request)
        if case.streams:
            for _ in answer:
                pass

    return call


def sent_headers(case: Case) -> dict[str, str]:
    """The headers that the SDK sends, less those that a client sets itself."""
    sent: list[httpx2.Request] = []
    answer = transport(case).handler

    def note(request: httpx2.Request) -> Any:
        sent.append(request)
        return answer(request)

    sdk_call(case, httpx2.MockTransport(note))()
    return {name: value for name, value in sent[0].headers.items() if name not in {"host", "content-length"}}


def variants_of(case: Case, tested: Instrumentation) -> dict[str, Variant]:
    """The SDK without and with what is tested, and below it a raw client without and with the yardstick."""
    headers, provider = sent_headers(case), sink_and_provider()[1]
    calls = sdk_call(case), sdk_call(case.brief)
    return {
        RAW: Variant(bare_call(case, headers), bare_call(case.brief, headers)),
        PLAIN: Variant(plain_call(case, provider, headers), plain_call(case.brief, provider, headers)),
        BARE: Variant(*calls),
        ON: Variant(*calls, tested.switched_on, tested.settle),
    }


def measure_case(case: Case, tested: Instrumentation, rounds: int, rng: random.Random) -> dict[str, Any]:
    """One cell of the table, but for its verdict."""
    variants = variants_of(case, tested)
    assert not tested.sink.spans_of(variants[BARE]), "what is tested was not switched off"
    costs = measure(variants, Plan(rounds, BLOCKS, BLOCK_MS), rng)
    yardstick = (PLAIN, RAW)
    figures = added(costs, (ON, BARE), yardstick)._asdict()
    return {**figures, "bare_us": cost_us(costs[BARE]), "plain_us": added(costs, yardstick, yardstick).us}


def spans_of(case: Case, tested: Instrumentation) -> list[Mapping[str, Any]]:
    """The attributes of the spans of models that one call makes."""

    def call() -> None:
        sdk_call(case)()  # a new client reads the environment again

    spans = tested.sink.spans_of(Variant(call, call, tested.switched_on, tested.settle))
    found = [span.attributes or {} for span in spans]
    return [attributes for attributes in found if any(key in attributes for key in CALL_KEYS)]


def verdict(case: Case, calls: list[Mapping[str, Any]], content: str) -> str:
    """What is wrong with the spans of one call; empty where nothing is."""
    if len(calls) != 1:
        return f"{len(calls)} spans" if calls else NOT_ON
    found = calls[0]
    if not case.has_messages:
        return "" if _has(found, INPUT_KEYS, INPUT_TOKENS) else "tokens?"
    if not _has(found, INPUT_KEYS, INPUT_TOKENS) or not _has(found, OUTPUT_KEYS, OUTPUT_TOKENS):
        return "tokens?"
    return "" if any(case.prompt in str(value) for value in found.values()) == (content == "on") else "content?"


def _has(attributes: Mapping[str, Any], keys: tuple[str, ...], tokens: int) -> bool:
    """True where one of the keys has so many tokens; langfuse keeps all counts in one JSON text."""
    values = [attributes[key] for key in keys if key in attributes]
    return any(value == tokens or (isinstance(value, str) and f" {tokens}" in value) for value in values)


def measure_here(peer: Peer, content: str, rounds: int, names: list[str] | None) -> dict[str, Any]:
    """All cells of one row. The SDK's own tracing is off while the time is taken, and as it comes for the verdict."""
    os.environ[NATIVE_TRACING] = "false"
    tested, rng = peer.set_up(), random.Random(1)
    cases = all_cases(names)
    cells = {case.name: measure_case(case, tested, rounds, rng) for case in cases}
    attached = {case.name: bool(spans_of(case, tested)) for case in cases}
    del os.environ[NATIVE_TRACING]
    trace.set_tracer_provider(tested.provider)
    for case in cases:
        fault = verdict(case, spans_of(case, tested), content) if attached[case.name] else NOT_ON
        cells[case.name]["fault"] = fault
    found: dict[str, Any] = {"versions": {package: version(package) for package in peer.packages}, "cells": cells}
    if peer.name == OURS:
        found["faults"] = dict(importlib.import_module("otel_llm.failures").counts)
    return found


# The table


def run_peer(peer: Peer, content: str, chosen: argparse.Namespace) -> dict[str, Any]:
    """One row, measured in its own process. Raises CalledProcessError where that fails."""
    command = [str(peer.python(chosen.envs)), __file__, "--measure", peer.name, "--content", content]
    command += ["--rounds", str(chosen.rounds)]
    command += [part for name in chosen.case or () for part in ("--case", name)]
    foreign = ("OTEL_", "LANGFUSE_", "LOGFIRE_", "TRACELOOP_", "OPENINFERENCE_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    if peer.name != OURS:
        environment.pop("PYTHONPATH", None)
    done = subprocess.run(command, env={**environment, **peer.content[content]}, stdout=subprocess.PIPE, check=True)
    row: dict[str, Any] = json.loads(done.stdout)
    return {"peer": peer.name, "content": content, **row}


def print_table(rows: list[dict[str, Any]], cases: tuple[Case, ...]) -> None:
    """Ratios with half their quartile distance; then microseconds."""
    print(f"\n{'on':<15}{'content':<8}" + "".join(f"{case.name:>19}" for case in cases))
    for row in rows:
        print(f"{row['peer']:<15}{row['content']:<8}" + "".join(_cell(row["cells"][case.name]) for case in cases))
    print("\nadded us")
    for row in rows:
        figures = "".join(f"{row['cells'][case.name]['us']:>19.0f}" for case in cases)
        print(f"{row['peer']:<15}{row['content']:<8}{figures}")
    for label, key in (("plain +us", "plain_us"), ("bare SDK us", "bare_us")):
        columns = ([row["cells"][case.name][key] for row in rows] for case in cases)
        print(f"{label:<23}" + "".join(f"{f'{min(found):.0f}-{max(found):.0f}':>19}" for found in columns))
    print("\nWhat is on, each alone:")
    for name, versions in {row["peer"]: row["versions"] for row in rows}.items():
        print(f"  {name:<15}" + ", ".join(f"{package} {number}" for package, number in versions.items()))
    if faults := [row["faults"] for row in rows if row.get("faults")]:
        print(f"  faults of ours, swallowed: {faults}")


def _cell(cell: Mapping[str, Any]) -> str:
    if cell["fault"] == NOT_ON:
        return f"{NOT_ON:>19}"
    spread = (cell["high"] - cell["low"]) / 2
    return f"{cell['ratio']:>6.2f}±{spread:<4.2f} {cell['fault'] or 'ok':<7}"


def arguments() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description="CPU that instrumentations add to a call through the SDKs")
    parser.add_argument("--quick", action="store_true", help="3 rounds: a first look")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--case", action="append", choices=[case.name for case in all_cases()], help="may be repeated")
    parser.add_argument("--peer", action="append", choices=[peer.name for peer in PEERS], help="may be repeated")
    parser.add_argument("--envs", type=Path, default=ENVIRONMENTS, help="where `peers.py --install` put the peers")
    parser.add_argument("--json", action="store_true", help="the figures as JSON")
    parser.add_argument("--measure", choices=[peer.name for peer in PEERS], help=argparse.SUPPRESS)
    parser.add_argument("--content", choices=["off", "on"], help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    chosen.rounds = 3 if chosen.quick else max(2, chosen.rounds)
    return chosen


def run_all(chosen: argparse.Namespace) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows, and what is missing from them. Progress goes to stderr."""
    rows: list[dict[str, Any]] = []
    missing: list[str] = []
    for peer in PEERS:
        if chosen.peer and peer.name not in chosen.peer:
            continue
        if not peer.python(chosen.envs).exists():
            missing.append(f"{peer.name}: not installed; python benchmarks/peers.py --install {peer.name}")
            continue
        for content in peer.content:
            print(f"{peer.name}, content {content} ...", file=sys.stderr, flush=True)
            try:
                rows.append(run_peer(peer, content, chosen))
            except subprocess.CalledProcessError as error:
                missing.append(f"{peer.name}, content {content}: failed with exit code {error.returncode}, see above")
    return rows, missing


def main() -> None:
    chosen = arguments()
    if chosen.measure:
        peer = next(peer for peer in PEERS if peer.name == chosen.measure)
        with contextlib.redirect_stdout(sys.stderr):
            found = measure_here(peer, chosen.content, chosen.rounds, chosen.case)
        print(json.dumps(found))
        return
    rows, missing = run_all(chosen)
    if chosen.json:
        print(json.dumps({"rounds": chosen.rounds, "rows": rows, "missing": missing}, indent=2))
        return
    shared = ", ".join(f"{name} {version(name)}" for name in ("openai", "anthropic", "httpx2"))
    print(f"{shared}; medians of {chosen.rounds} rounds")
    print("Ratio: CPU added to an SDK's call / added by the plain httpx2 instrumentor; ± half the quartile distance.")
    print("ok: exactly one span of a model, with the right tokens, and content as the row says.")
    if rows:
        print_table(rows, all_cases(chosen.case))
    print("".join(f"\n{line}" for line in missing))


if __name__ == "__main__":
    main()
