"""The registry of frameworks, and the steps that all of them open: what needs no framework."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from app.recording import Recorded
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import StatusCode

import otel_llm
from otel_llm.decorators import AGENT, TASK
from otel_llm.failures import RAISE_ENV, counts
from otel_llm.frameworks import FRAMEWORKS, Framework
from otel_llm.frameworks.steps import OpenSteps, end_step, failure_text, open_retrieval, open_step, open_tool
from otel_llm.patching import when_imported
from otel_llm_semconv import attributes as a

FOLDER = Path(otel_llm.__file__).parent / "frameworks"
DOCS = Path(__file__).parents[2] / "docs/frameworks.md"

STARTED = """
import sys
import otel_llm
otel_llm.instrument()
loaded = set(sys.modules)
print(sorted(name for name in loaded if name.startswith("otel_llm.frameworks.")))
for trigger in {triggers}:
    __import__(trigger)
from otel_llm.failures import counts
from otel_llm.patching import ledger
print({{hook.target: hook.state for hook in ledger() if hook.target in {triggers}}})
print(dict(counts))
otel_llm.uninstrument()
"""


def instrumented_files() -> set[str]:
    """The files whose module has a function `instrument`."""
    trees = {path.stem: ast.parse(path.read_text()) for path in FOLDER.glob("[a-z]*.py")}
    return {
        name
        for name, tree in trees.items()
        if any(isinstance(node, ast.FunctionDef) and node.name == "instrument" for node in tree.body)
    }


def test_rows_and_files_are_the_same_frameworks() -> None:
    rows = [(row.name, row.trigger) for row in FRAMEWORKS]
    assert rows == sorted(set(rows))
    assert {row.name for row in FRAMEWORKS} == instrumented_files()


def test_every_framework_is_documented() -> None:
    headings = re.findall(r"^## (.*)", DOCS.read_text(), re.MULTILINE)
    documented = [re.sub("[^a-z]", "", heading.lower()) for heading in headings]
    names = {row.name.replace("_", "") for row in FRAMEWORKS}
    assert [name for name in sorted(names) if not any(name in heading for heading in documented)] == []


def test_a_framework_of_a_version_that_we_do_not_know_is_left_alone(tmp_path: Path) -> None:
    triggers = [row.trigger for row in FRAMEWORKS]
    for trigger in triggers:
        path = tmp_path
        for part in trigger.split("."):
            path = path / part
            path.mkdir(exist_ok=True)
            (path / "__init__.py").touch()
    ran = subprocess.run(
        [sys.executable, "-c", STARTED.format(triggers=triggers)],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
    )
    assert ran.returncode == 0, ran.stderr
    shared, states, faults = map(ast.literal_eval, ran.stdout.splitlines())
    assert shared == ["otel_llm.frameworks.steps"], "loaded before the app has imported its framework"
    assert set(states) == set(triggers)
    assert set(states.values()) <= {"attached", "missing"}
    assert faults == {}


def test_a_fault_on_the_way_in_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RAISE_ENV, "false")
    recorded = Recorded()
    faults = counts.total()
    when_imported("json", Framework("of_nobody", "json").hook)
    assert counts.total() == faults + 1
    assert recorded.spans() == []
    otel_llm.uninstrument()


def test_a_step_starts_where_it_is_told(recorded: Recorded) -> None:
    outer = open_step(AGENT, "triage", carried={a.CONVERSATION_ID: "thread-1"})
    with recorded.tracer.start_as_current_span("elsewhere"):
        inner = open_step(TASK, "look", outer=outer.context)
        assert trace.get_current_span() is not inner.span
    end_step(inner)
    end_step(outer)
    _, look, triage = recorded.spans()
    assert look.parent is not None
    assert look.parent.span_id == triage.context.span_id
    for span in (look, triage):
        found = dict(span.attributes or {})
        assert (found[a.AGENT_NAME], found[a.CONVERSATION_ID]) == ("triage", "thread-1")
    assert otel_context.get_current() == {}


def test_content_is_recorded_only_where_asked_for(capturing: Recorded) -> None:
    end_step(open_tool("look_up", arguments='{"patient": "Anna"}'), result="none", failure=failure_text("none"))
    end_step(open_retrieval("records", query="allergies"))
    (tool, retrieval) = [dict(span.attributes or {}) for span in capturing.spans()]
    assert (tool[a.TOOL_CALL_ARGUMENTS], tool[a.TOOL_CALL_RESULT]) == ('{"patient":"Anna"}', '"none"')
    assert retrieval[a.RETRIEVAL_QUERY] == '"allergies"'
    assert capturing.spans()[0].status.description == "none"
    otel_llm.uninstrument()
    capturing.exporter.clear()

    without = Recorded()
    end_step(open_tool("look_up", arguments="Anna"), result="none", failure=failure_text("none"))
    end_step(open_retrieval("records", query="allergies"))
    spans = without.spans()
    assert (spans[0].status.status_code, spans[0].status.description or "") == (StatusCode.ERROR, "")
    assert not {a.TOOL_CALL_ARGUMENTS, a.TOOL_CALL_RESULT} & set(spans[0].attributes or {})
    assert a.RETRIEVAL_QUERY not in (spans[1].attributes or {})


def test_open_steps_end_once(recorded: Recorded) -> None:
    steps: OpenSteps[str] = OpenSteps()
    run = open_step(TASK, "one")
    steps.add("one", run, run.context)
    assert steps.run("one") is run
    assert steps.context("one") is run.context
    steps.end("one", LookupError("no bed"))
    steps.end("one")
    steps.end("of nobody")
    assert steps.run("one") is steps.context("one") is steps.context(None) is None
    (span,) = recorded.spans()
    assert (span.attributes or {})[a.ERROR_TYPE] == "LookupError"


def test_open_steps_are_bounded(recorded: Recorded) -> None:
    steps: OpenSteps[int] = OpenSteps(open_max=2)
    faults = counts.total()
    for number in range(3):
        run = open_step(TASK, str(number))
        steps.add(number, run, run.context)
    steps.add(3, None, otel_context.get_current())
    assert len(steps) == 2
    assert [span.name for span in recorded.spans()] == ["task 0", "task 1"]
    assert counts.total() == faults + 2
    steps.end_all()
    assert len(steps) == 0
    assert [span.name for span in recorded.spans()] == ["task 0", "task 1", "task 2"]


def test_an_id_that_comes_twice_leaves_nothing_open(recorded: Recorded) -> None:
    steps: OpenSteps[str] = OpenSteps()
    for name in ("first", "second"):
        run = open_step(TASK, name)
        steps.add("id", run, run.context)
    steps.end("id")
    assert [span.name for span in recorded.spans()] == ["task first", "task second"]


def test_hook_calls_our_module_with_the_trigger(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[ModuleType] = []
    ours, theirs = ModuleType("otel_llm.frameworks.of_a_test"), ModuleType("theirs")
    ours.instrument = seen.append  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, ours.__name__, ours)
    Framework("of_a_test", "theirs").hook(theirs)
    assert seen == [theirs]
