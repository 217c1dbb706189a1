"""Which traces there are on which day: workdays and nights, growth, and the events of the story."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, chain
from random import Random
from typing import Final, NamedTuple

from opentelemetry.proto.trace.v1.trace_pb2 import Status

from otel_llm_semconv import attributes as a

from . import story as s
from .models import MODELS
from .scenes import SCENES, Scene
from .story import Story
from .telling import NS_PER_MS, Asked, Trace, Value


class Person(NamedTuple):
    """Somebody who asks, and the department that pays."""

    id: str
    department: str


#: How much a department asks follows from the number of its people.
STAFF: Final = (
    *(Person(name, "cardiology") for name in ("dr-okafor", "dr-ivanova", "nurse-silva", "nurse-park", "dr-weber")),
    *(Person(name, "emergency") for name in ("dr-nakamura", "nurse-jones", "nurse-petrov", "dr-mbeki")),
    *(Person(name, "oncology") for name in (s.SPIKE_USER, "dr-rossi", "nurse-chen")),
    *(Person(name, "pediatrics") for name in ("dr-larsen", "nurse-ali")),
)
SPIKE_PERSON: Final = next(person for person in STAFF if person.id == s.SPIKE_USER)
GAMING_PERSON: Final = Person(s.GAMING_USER, "emergency")
PATIENTS: Final = tuple(
    Person(f"patient-{number}", STAFF[number % len(STAFF)].department)
    for number in range(2001, 2101)
    if f"patient-{number}" != s.GAMING_USER
)
#: Few ask often, many once in a while.
_PATIENT_WEIGHTS: Final = tuple(accumulate(1 / (rank + 3) for rank in range(len(PATIENTS))))
_STAFF_WEIGHTS: Final = range(1, len(STAFF) + 1)
_CLINICS: Final = ("north", "south")
_STAGING: Final = 0.05
_SCORED: Final = 0.4
_GAMING_A_DAY: Final = 6
_TURNS: Final = 3  # of one session
_NS: Final = 10**9


class Score(NamedTuple):
    """What an evaluator thought of a call, minutes after it ended."""

    time_ns: int
    trace_id: bytes
    span_id: bytes
    value: float
    who: dict[str, Value]


@dataclass(frozen=True, slots=True)
class Told:
    """A trace, the program that tells of it, and what was thought of it."""

    service: str
    environment: str
    began_ns: int
    trace: Trace
    scores: tuple[Score, ...] = ()


def traces(story: Story, date: dt.date, scenes: Iterable[Scene] = SCENES) -> list[Told]:
    """The traces that begin on a UTC day of the story, in that order. The same for the same story, whenever asked."""
    first_ns, end_ns = (int(moment.timestamp()) * _NS for moment in (story.since, story.until))
    told = [found for scene in scenes for found in _Day(story, date, scene).traces()]
    return sorted((one for one in told if first_ns <= one.began_ns < end_ns), key=lambda one: one.began_ns)


class _Day:
    """One scene on one day."""

    def __init__(self, story: Story, date: dt.date, scene: Scene) -> None:
        self._story, self._date, self._scene = story, date, scene
        self._random = Random(f"{story.until.isoformat()} {story.days} {date} {scene.prompt}")

    def traces(self) -> Iterator[Told]:
        for turn, (person, model) in enumerate(chain(self._usual(), self._special())):
            yield self._told(person, model, turn)

    def _usual(self) -> Iterator[tuple[Person, str]]:
        scene, random = self._scene, self._random
        growth = 1 + (s.GROWTH - 1) * self._story.passed(self._date)
        for _ in range(int(scene.a_day * scene.week[self._date.weekday()] * growth + random.random())):
            people, weights = (PATIENTS, _PATIENT_WEIGHTS) if scene.by_patients else (STAFF, _STAFF_WEIGHTS)
            [person] = random.choices(people, cum_weights=weights)
            [model] = random.choices([*scene.models], [*scene.models.values()])
            yield person, model

    def _special(self) -> Iterator[tuple[Person, str]]:
        """What the story is about."""
        if self._scene.prompt == s.GAMING_PROMPT:
            yield from [(GAMING_PERSON, next(iter(self._scene.models)))] * _GAMING_A_DAY
        if self._scene.prompt == s.SPIKE_PROMPT and self._date == self._story.spike:
            yield from [(SPIKE_PERSON, s.SPIKE_MODEL)] * s.SPIKE_CALLS

    def _told(self, person: Person, model: str, turn: int) -> Told:
        scene, random = self._scene, self._random
        [hour] = random.choices(range(24), scene.hours)
        midnight = dt.datetime.combine(self._date, dt.time(), dt.UTC)
        began_ns = int((midnight.timestamp() + (hour + random.random()) * 3600) * _NS)
        length = self._story.length(scene.prompt, person.id, self._date)
        slowness = self._story.slowness(scene.service, self._date)
        trace = Trace(random, Asked(self._who(person, turn), model, length, slowness))
        trace.run(scene.step, began_ns)
        environment = "staging" if random.random() < _STAGING else "production"
        scores = _scores(trace, random) if scene.is_scored else ()
        return Told(scene.service, environment, began_ns, trace, scores)

    def _who(self, person: Person, turn: int) -> dict[str, Value]:
        prompt = self._scene.prompt
        return {
            a.SESSION_ID: f"{self._scene.service}-{self._date:%m%d}-{person.id}-{turn // _TURNS}",
            a.USER_ID: person.id,
            a.PROPERTY_PREFIX + "department": person.department,
            a.PROPERTY_PREFIX + "clinic": _CLINICS[len(person.id) % 2],
            a.PROMPT_NAME: prompt,
            a.PROMPT_VERSION: self._story.version(prompt, self._date),
        }


def _scores(trace: Trace, random: Random) -> tuple[Score, ...]:
    """How faithful some of the answers are: 0 to 1."""
    return tuple(
        Score(
            span.end_time_unix_nano + random.randrange(60_000, 600_000) * NS_PER_MS,
            span.trace_id,
            span.span_id,
            round(min(1.0, random.gauss(MODELS[trace.asked.model].faithful, 0.05)), 3),
            {**trace.asked.who},
        )
        for scope, span in trace.spans
        if scope == a.SCOPE_APP and span.status.code != Status.STATUS_CODE_ERROR and random.random() < _SCORED
    )
