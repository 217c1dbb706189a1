"""`otel-llm demo`: every call priced to the last digit, one true tree, nothing of us to the provider."""

from __future__ import annotations

import contextlib
import io
import json
import re
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from deltalake import DeltaTable

from otel_llm_collector import cli, questions

from .bill import cost_of, read_calls

DEPARTMENTS = {
    "patient-1041": "cardiology",
    "patient-1042": "emergency",
    "patient-1043": "pediatrics",
    "patient-1044": "cardiology",
    "patient-1045": "emergency",
}
DEMO = [sys.executable, "-m", "otel_llm.cli", "demo"]


@dataclass(frozen=True)
class Demo:
    """One run: what it printed, what it took, what the stand-in logged, what the Parquet holds."""

    data: Path
    stdout: str
    stderr: str
    seconds: float
    calls: list[dict[str, Any]]
    spans: list[dict[str, Any]]

    @property
    def priced_calls(self) -> list[dict[str, Any]]:
        return [call for call in self.calls if call["usage"] is not None]

    @property
    def llm_rows(self) -> list[dict[str, Any]]:
        return [row for row in self.spans if row["is_llm_call"]]

    def of(self, service: str) -> list[dict[str, Any]]:
        return [row for row in self.spans if row["service_name"] == service]


def run_demo(data: Path) -> Demo:
    began = time.monotonic()
    done = subprocess.run([*DEMO, "--data", str(data)], capture_output=True, text=True, timeout=120, check=False)
    seconds = time.monotonic() - began
    assert done.returncode == 0, done.stdout + done.stderr
    return Demo(data, done.stdout, done.stderr, seconds, read_calls(data), read_spans(data))


def read_spans(data: Path) -> list[dict[str, Any]]:
    """All rows, as a stranger reads them: the files that the Delta log names, through plain DuckDB."""
    query = "SELECT *, typeof(cost_usd) AS money FROM read_parquet(?, hive_partitioning=true, union_by_name=true)"
    return ask_duckdb(query, [DeltaTable(data / "spans").file_uris()])


def ask_duckdb(query: str, parameters: list[Any]) -> list[dict[str, Any]]:
    with duckdb.connect() as database:
        cursor = database.execute(query, parameters)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return run_demo(tmp_path_factory.mktemp("demo") / "data")


# --- money ----------------------------------------------------------------------------------------------------


def test_every_call_costs_what_the_log_and_the_rates_say(demo: Demo) -> None:
    expected = {call["id"]: cost_of(call) for call in demo.priced_calls}
    assert len(expected) == len(demo.priced_calls) == 31
    found = {row["response_id"]: row["cost_usd"] for row in demo.llm_rows if row["cost_usd"] is not None}
    assert found == expected
    assert sum(found.values()) == sum(expected.values()) > 0
    assert {row["cost_status"] for row in demo.llm_rows if row["cost_usd"] is not None} == {"exact"}
    streamed = [call for call in demo.priced_calls if call["stream"]]
    assert {call["provider"] for call in streamed} == {"openai", "anthropic"}


def test_each_counted_row_is_one_call_of_the_app(demo: Demo) -> None:
    """32 calls: 31 answered, one refused for good; the three refusals in the log are attempts of two of them."""
    assert len(demo.llm_rows) == 32
    assert len(demo.calls) == 31 + 3
    [failed] = [row for row in demo.llm_rows if row["response_id"] is None]
    assert (failed["status"], failed["http_status"], failed["cost_usd"]) == ("ERROR", 529, None)
    assert failed["cost_status"] == "missing_usage"
    assert Counter(row["attempts"] or 1 for row in demo.llm_rows) == {1: 30, 2: 2}


def test_a_plain_glob_finds_the_same_rows(demo: Demo) -> None:
    """Each identity once: where small files were merged, the old ones lie beside the new one for ten minutes."""
    assert {row["money"] for row in demo.spans} == {"DECIMAL(18,12)"}
    query = """
        SELECT DISTINCT row_id, response_id, cost_usd
        FROM read_parquet(?, hive_partitioning=true, union_by_name=true) WHERE is_llm_call
    """
    found = ask_duckdb(query, [str(demo.data / "spans" / "date=*" / "*.parquet")])
    assert len(found) == len(demo.llm_rows)
    assert {row["response_id"]: row["cost_usd"] for row in found} == {
        row["response_id"]: row["cost_usd"] for row in demo.llm_rows
    }


def test_tokens_models_and_streaming_are_those_of_the_log(demo: Demo) -> None:
    calls = {call["id"]: call for call in demo.priced_calls}
    for row in demo.llm_rows:
        if row["response_id"] is None:
            continue
        call = calls[row["response_id"]]
        assert (row["provider"], row["request_model"]) == (call["provider"], call["request_model"])
        assert row["response_model"] == call["model"]
        assert bool(row["stream"]) is call["stream"]
        assert (row["input_tokens"], row["output_tokens"]) == billed_tokens(call["usage"])
        assert (row["time_to_first_chunk_ns"] is not None) is call["stream"]


def billed_tokens(usage: dict[str, Any]) -> tuple[int, int]:
    if "prompt_tokens" in usage:
        return usage["prompt_tokens"], usage["completion_tokens"]
    cache = usage["cache_read_input_tokens"] + usage["cache_creation_input_tokens"]
    return usage["input_tokens"] + cache, usage["output_tokens"]


# --- who and what for -----------------------------------------------------------------------------------------


def test_triage_names_nothing_of_ours() -> None:
    source = Path(cli.__file__).with_name("demo").joinpath("triage.py").read_text().lower()
    assert "otel_llm" not in source
    assert "otel-llm" not in source


def test_user_department_and_prompt_come_from_the_app(demo: Demo) -> None:
    calls = {call["id"]: call for call in demo.priced_calls}
    triage = [row for row in demo.of("triage-assistant") if row["is_llm_call"]]
    assert len(triage) == 16
    assert {row["environment"] for row in triage} == {"demo"}
    for row in triage:
        call = calls.get(row["response_id"], {"user": "patient-1044", "metadata": None})
        assert row["user_id"] == (call["user"] or (call["metadata"] or {}).get("user_id"))
        properties = dict(row["properties"])
        if row["user_id"]:
            assert properties["department"] == DEPARTMENTS[row["user_id"]]
        assert properties["department"] in DEPARTMENTS.values()
    prompts = Counter((row["prompt_name"], row["prompt_version"]) for row in triage)
    assert prompts == {("rank", "v4"): 6, ("advise", "v3"): 7, ("hand_over", "v1"): 3}


def test_the_workflow_carries_session_user_and_prompt(demo: Demo) -> None:
    steps = demo.of("case-review")
    assert {(row["session_id"], row["user_id"]) for row in steps} == {("case-1041", "dr-okafor")}
    assert {row["workflow_name"] for row in steps} == {"case review"}
    assert {row["prompt_name"] for row in steps if row["is_llm_call"]} == {"case-review"}


def test_the_provider_sees_no_trace_of_us(demo: Demo) -> None:
    for call in demo.calls:
        names = {name for name, _ in call["headers"]}
        assert not names & {"traceparent", "tracestate", "baggage", "b3"}, call
        assert not any("otel" in f"{name}{value}".lower() for name, value in call["headers"])


# --- the tree -------------------------------------------------------------------------------------------------

READ = ("task", "read", [("tool", "fetch_document", []), ("call", "gpt-4o-mini", [])])
WEIGH = ("task", "weigh", [("tool", "search_guidelines", []), ("call", "claude-haiku-4-5", [])])
CHECK = ("task", "check drug", [("tool", "check_interactions", []), ("call", "gpt-5-mini", [])])
WRITE = ("task", "write section", [("tool", "load_template", []), ("call", "claude-sonnet-4-6", [])])
ARCHIVE = [("call", "o4-mini", [])] * 2 + [("tool", "find_in_archive", [])]
EXPECTED = [
    ("agent", "intake", [READ] * 3 + [("call", "gpt-4o-mini", [])]),
    ("agent", "diagnosis", [WEIGH] * 4 + [("call", "claude-sonnet-4-6", [])]),
    ("agent", "pharmacy", [("tool", "read_formulary", [])] + [CHECK] * 3),
    ("agent", "scribe", ARCHIVE + [WRITE] * 2 + [("tool", "file_letter", [])]),
]
KINDS = {"invoke_agent": "agent", "execute_tool": "tool", "task": "task", "chat": "call"}


def test_47_steps_under_one_root_with_true_parents(demo: Demo) -> None:
    steps = demo.of("case-review")
    assert len({row["trace_id"] for row in steps}) == 1
    assert len(steps) == 48
    [root] = [row for row in steps if row["parent_span_id"] is None]
    assert (root["operation"], root["workflow_name"]) == ("invoke_workflow", "case review")
    assert in_order(children_of(root, steps)) == in_order(EXPECTED)
    assert Counter(row["operation"] for row in steps) == {
        "invoke_workflow": 1,
        "invoke_agent": 4,
        "task": 12,
        "execute_tool": 15,
        "chat": 16,
    }


def children_of(parent: dict[str, Any], steps: list[dict[str, Any]]) -> list[Any]:
    below = [row for row in steps if row["parent_span_id"] == parent["span_id"]]
    return [(KINDS[row["operation"]], step_name(row), children_of(row, steps)) for row in below]


def step_name(row: dict[str, Any]) -> str:
    if row["operation"] == "task":
        name = str(row["name"]).removeprefix("task ")
        return "read" if name.startswith("read ") else name
    column = {"invoke_agent": "agent_name", "execute_tool": "tool_name", "chat": "request_model"}[row["operation"]]
    return str(row[column])


def in_order(tree: list[Any]) -> list[Any]:
    return sorted((kind, name, in_order(below)) for kind, name, below in tree)


def test_subtree_costs_of_the_agents_add_up_to_the_total(demo: Demo) -> None:
    steps = demo.of("case-review")
    below = defaultdict(list)
    for row in steps:
        below[row["parent_span_id"]].append(row)

    def subtree(row: dict[str, Any]) -> Decimal:
        return (row["cost_usd"] or Decimal(0)) + sum(map(subtree, below[row["span_id"]]), Decimal(0))

    [root] = below[None]
    ids = {row["response_id"] for row in steps}
    logged = sum(cost_of(call) for call in demo.priced_calls if call["id"] in ids)
    agents = {row["agent_name"]: subtree(row) for row in below[root["span_id"]]}
    assert sum(agents.values()) == subtree(root) == logged
    by_agent = {row["agent"]: Decimal(row["cost_usd"]) for row in ask(demo, questions.cost, "--by", "agent")}
    assert {name: by_agent[name] for name in agents} == agents
    in_tree = {row["span_id"]: row for row in ask(demo, cli.trace, root["trace_id"])}
    for row in steps:
        assert Decimal(in_tree[row["span_id"]]["subtree_cost_usd"] or 0) == subtree(row)


def ask(demo: Demo, command: Callable[[list[str]], int], *words: str) -> list[dict[str, Any]]:
    raw = io.BytesIO()
    with contextlib.redirect_stdout(io.TextIOWrapper(raw)):
        assert command([*words, "--data", str(demo.data), "--format", "json"]) == 0
        answer = raw.getvalue()
    found: list[dict[str, Any]] = json.loads(answer)
    return found


# --- what the person at the terminal gets ------------------------------------------------------------------------


def test_the_bars_of_time_are_kept(demo: Demo) -> None:
    [line] = [line for line in demo.stderr.splitlines() if "first priced row" in line]
    first_s = float(line.split()[-2])
    print(f"first priced row after {first_s} s, the whole demo took {demo.seconds:.1f} s")
    assert first_s < 20  # 10 s on a machine that has nothing else to do
    assert demo.seconds < 60  # and 30 s


def test_it_shows_the_answers_and_what_to_try_next(demo: Demo) -> None:
    for part in ("Cost by model", "Cost by department", "Cost by agent", "cost of each subtree", "first chunk"):
        assert part in demo.stdout
    for name in ("gpt-5-mini", "claude-sonnet-4-6", "cardiology", "pharmacy", "search_guidelines"):
        assert name in demo.stdout
    assert f"{demo.data}/spans/date=*/*.parquet" in demo.stdout
    assert "otel-llm run -- python your_app.py" in demo.stdout
    assert "Triage assistant" in demo.stderr


def test_what_to_try_next_works(demo: Demo) -> None:
    lines = [line.strip() for line in demo.stdout.splitlines()]
    shown = [line for line in lines if re.match(r"\S*otel-llm (cost|sql) ", line)]
    assert len(shown) >= 3
    for command in shown:  # as it stands there, in the folder and with the PATH that the demo ran in
        done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip()


@pytest.mark.slow
def test_a_second_run_adds_under_new_trace_ids(demo: Demo) -> None:
    again = run_demo(demo.data)
    before, after = {row["trace_id"] for row in demo.spans}, {row["trace_id"] for row in again.spans}
    assert before < after
    assert len(again.spans) == 2 * len(demo.spans)
    assert len(again.calls) == 2 * len(demo.calls)
    usages = Counter(json.dumps(call["usage"]) for call in demo.calls)
    assert Counter(json.dumps(call["usage"]) for call in again.calls) == usages + usages  # the demo is deterministic
    found = {row["response_id"]: row["cost_usd"] for row in again.llm_rows if row["cost_usd"] is not None}
    assert found == {call["id"]: cost_of(call) for call in again.priced_calls}
    assert again.stdout.count("case review") == demo.stdout.count("case review")  # this run only
