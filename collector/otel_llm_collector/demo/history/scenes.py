"""What the clinic's programs do, as trees of steps: what each does itself, what it asks of whom."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otel_llm_semconv import attributes as a

from . import story

OFFICE: Final = (0, 0, 0, 0, 0, 0, 1, 4, 9, 12, 12, 9, 6, 9, 12, 11, 8, 4, 2, 2, 1, 1, 0, 0)
NIGHT: Final = (0, 6, 8, 8, 4, *(0,) * 19)
WEEK: Final = (1.0, 1.05, 1.0, 0.95, 0.85, 0.3, 0.2)
EVERY_DAY: Final = (1.0,) * 7


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """What a step is: kind of its span, operation, the attribute of its name, whether what is inside carries it."""

    span_kind: Span.SpanKind.ValueType
    operation: str = ""
    name_attribute: str = ""
    is_carried: bool = False


REQUEST: Final = Kind(Span.SPAN_KIND_SERVER)
CLIENT: Final = Kind(Span.SPAN_KIND_CLIENT)  # of a service or database of the clinic's
CALL: Final = Kind(Span.SPAN_KIND_CLIENT)  # of a model
WORKFLOW: Final = Kind(Span.SPAN_KIND_INTERNAL, a.OPERATION_INVOKE_WORKFLOW, a.WORKFLOW_NAME, is_carried=True)
AGENT: Final = Kind(Span.SPAN_KIND_INTERNAL, a.OPERATION_INVOKE_AGENT, a.AGENT_NAME, is_carried=True)
TOOL: Final = Kind(Span.SPAN_KIND_INTERNAL, a.OPERATION_EXECUTE_TOOL, a.TOOL_NAME)
TASK: Final = Kind(Span.SPAN_KIND_INTERNAL, a.OPERATION_TASK, a.TASK_NAME)


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `ms` is what it takes by itself, beside the steps inside: the first `at_once` of them begin together,
    the others run one after the other.

    Of a call: the model (`""` is the one chosen for the trace), tokens in and out, and the part read from a cache.
    """

    kind: Kind
    name: str
    ms: float = 0.0
    inside: tuple[Step, ...] = ()
    at_once: int = 0
    tokens: tuple[int, int] = (0, 0)
    cached: float = 0.0
    stream: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    """A thing that a program does so often on a working day, at the first. `models` are drawn by their weights."""

    service: str
    prompt: str
    a_day: float
    step: Step
    models: dict[str, float] = field(default_factory=lambda: {"gpt-4o-mini": 1})
    hours: tuple[int, ...] = OFFICE
    week: tuple[float, ...] = WEEK
    is_scored: bool = False
    by_patients: bool = False


def _call(model: str, tokens_in: int, tokens_out: int, *, cached: float = 0.0, stream: bool = False) -> Step:
    return Step(CALL, model, tokens=(tokens_in, tokens_out), cached=cached, stream=stream)


def _client(name: str, ms: float) -> Step:
    return Step(CLIENT, name, ms)


def _request(path: str, *inside: Step, ms: float = 12) -> Step:
    return Step(REQUEST, f"POST {path}", ms, inside)


def _task(name: str, tool: str, call: Step) -> Step:
    return Step(TASK, name, 4, (Step(TOOL, tool, 25), call))


#: Four agents, 47 steps under one workflow: 12 tasks, 15 tools, 16 calls.
CASE_REVIEW: Final = Step(
    WORKFLOW,
    "case review",
    20,
    (
        Step(
            AGENT,
            "intake",
            8,
            (*[_task("read document", "fetch_document", _call("gpt-4o-mini", 1800, 220))] * 3,
             _call("gpt-4o-mini", 900, 300)),
        ),
        Step(
            AGENT,
            "diagnosis",
            8,
            (
                *[_task("weigh", "search_guidelines", _call("claude-haiku-4-5", 3200, 420, cached=0.6))] * 4,
                _call("claude-sonnet-4-5", 5200, 1500, cached=0.4, stream=True),
            ),
            at_once=4,
        ),
        Step(
            AGENT,
            "pharmacy",
            8,
            (Step(TOOL, "read_formulary", 30),
             *[_task("check drug", "check_interactions", _call("gpt-5-mini", 1500, 600, stream=True))] * 3),
        ),
        Step(
            AGENT,
            "scribe",
            8,
            (_call("gpt-5-mini", 700, 90),
             Step(TOOL, "find_in_archive", 60),
             _call("gpt-5-mini", 1100, 250),
             *[_task("write section", "load_template", _call("claude-sonnet-4-5", 4200, 900, cached=0.5, stream=True))]
             * 2,
             Step(TOOL, "file_letter", 15)),
        ),
    ),
)  # fmt: skip

SCENES: Final = (
    Scene(
        "patient-portal",
        story.CHANGED_PROMPT,
        80,
        _request("/chat", _client("SELECT patients", 6), _call("", 1400, 260, cached=0.3, stream=True)),
        {"gpt-4o-mini": 5, "claude-haiku-4-5": 2, "mistral-small-latest": 1},
        week=(1.0, 1.0, 0.95, 0.95, 0.9, 0.6, 0.55),
        by_patients=True,
    ),
    Scene(
        "patient-portal",
        story.GAMING_PROMPT,
        25,
        _request("/letters", _client("SELECT letters", 8), _call("", 900, 320, stream=True)),
        {"gpt-4o-mini": 3, "claude-haiku-4-5": 1},
        by_patients=True,
    ),
    Scene(
        "records",
        story.SPIKE_PROMPT,
        50,
        _request("/summaries", _client("SELECT records", 35), _call("", 6500, 550)),
        {"gpt-4o": 1, "gemini-2.5-flash": 1},
        is_scored=True,
    ),
    Scene(
        "guidelines",
        "find-guideline",
        45,
        _request(
            "/search",
            _call("text-embedding-3-small", 60, 0),
            _client("POST vectors/query", 45),
            _call("claude-sonnet-4-5", 4800, 480, cached=0.55, stream=True),
        ),
        week=EVERY_DAY,
    ),
    Scene(
        "billing",
        "code-diagnoses",
        120,
        Step(TASK, "code diagnoses", 30, (_call("", 2400, 130),)),
        {"gpt-4o-mini": 3, "gemini-2.5-flash": 2},
        hours=NIGHT,
        week=EVERY_DAY,
    ),
    Scene("case-conference", "case-review", 2.5, CASE_REVIEW),
)
