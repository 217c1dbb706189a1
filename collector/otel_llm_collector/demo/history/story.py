"""What happens in a history, and when: the questions of `docs/questions.md` find it out again."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

#: Nobody's history is shorter or longer: less holds no story, a collector takes what is older for a broken clock.
DAYS_MIN: Final = 7
DAYS_MAX: Final = 390

#: The user who runs one prompt over every old record on a single day, and the prompt and model that it is done with.
SPIKE_USER: Final = "dr-lang"
SPIKE_PROMPT: Final = "summarise-record"
SPIKE_MODEL: Final = "gpt-4o"
SPIKE_CALLS: Final = 900
#: The user whose prompts grow from day to day, to so many times their length.
GAMING_USER: Final = "patient-2077"
GAMING_PROMPT: Final = "explain-letter"
GAMING_GROWTH: Final = 30.0
#: The prompt that a change made longer, by how much, and the change.
CHANGED_PROMPT: Final = "triage"
CHANGED_FROM, CHANGED_TO = "v3", "v4"
TOKENS_CHANGE: Final = 0.4
#: The model whose discount ends, and the part of the list price that was paid until then.
DISCOUNT_MODELS: Final = "gpt-4o"
DISCOUNT: Final = "0.5"
#: The program whose own code is slow for some days, so many times.
SLOW_SERVICE: Final = "patient-portal"
SLOWNESS: Final = 120.0
_SLOW_DAYS: Final = 3
#: More use at the end than in the beginning, so many times.
GROWTH: Final = 1.5


@dataclass(frozen=True, slots=True)
class Story:
    """A history of so many days that ends at `until` (aware). All of it follows from these two."""

    days: int
    until: dt.datetime

    @property
    def since(self) -> dt.datetime:
        """When it begins."""
        return self.until - dt.timedelta(days=self.days)

    @property
    def dates(self) -> list[dt.date]:
        """The UTC days that it touches, the last one too where it ends within it."""
        first, last = self.since.date(), (self.until - dt.timedelta(microseconds=1)).date()
        return [first + dt.timedelta(days=number) for number in range((last - first).days + 1)]

    @property
    def price_jump(self) -> dt.date:
        """The first day at the full price."""
        return self._day(0.5)

    @property
    def prompt_change(self) -> dt.date:
        """The first day of the longer prompt."""
        return self._day(0.65)

    @property
    def spike(self) -> dt.date:
        """The day of all those records: a working day."""
        day = self._day(0.82)
        return day - dt.timedelta(days=max(0, day.weekday() - 4))

    @property
    def forecast(self) -> dt.date:
        """A day on which the month's end is looked forward to."""
        return (self.until - dt.timedelta(days=6)).date()

    @property
    def slow(self) -> tuple[dt.date, dt.date]:
        """From the first day of slow code to the day after the last."""
        day = self._day(0.3)
        return day, day + dt.timedelta(days=_SLOW_DAYS)

    def slowness(self, service: str, date: dt.date) -> float:
        """By how much a program's own code is slower on a day than it should be."""
        first, end = self.slow
        return SLOWNESS if service == SLOW_SERVICE and first <= date < end else 1.0

    def passed(self, date: dt.date) -> float:
        """How much of it is over on a day, 0 to 1."""
        return min(1.0, max(0.0, (date - self.since.date()).days / self.days))

    def version(self, prompt: str, date: dt.date) -> str:
        """The version of a prompt that is in use on a day."""
        if prompt != CHANGED_PROMPT:
            return VERSIONS[prompt]
        if date >= self.prompt_change:
            return CHANGED_TO
        passed = self.passed(date)
        return "v1" if passed < 0.2 else "v2" if passed < 0.4 else CHANGED_FROM

    def length(self, prompt: str, user: str, date: dt.date) -> float:
        """By how much a call's tokens are more than its prompt's usual ones."""
        longer = 1 + TOKENS_CHANGE if prompt == CHANGED_PROMPT and date >= self.prompt_change else 1.0
        if user == GAMING_USER and prompt == GAMING_PROMPT:
            longer *= 1 + (GAMING_GROWTH - 1) * max(0.0, 2 * self.passed(date) - 1)
        return longer

    def contracts(self) -> str:
        """The file of contracts by which the collector prices it: a discount that ends."""
        return (
            "# Written by `otel-llm demo --history`: by this discount's end the price of a model jumps.\n"
            f'[[contract]]\nname = "first months"\nprovider = "openai"\nmodel = "{DISCOUNT_MODELS}"\n'
            f'until = {self.price_jump}\nmultiplier = "{DISCOUNT}"\n'
        )

    def _day(self, part: float) -> dt.date:
        return (self.since + dt.timedelta(days=round(self.days * part))).date()


#: Versions of the prompts that never change.
VERSIONS: Final = {
    SPIKE_PROMPT: "v2",
    GAMING_PROMPT: "v1",
    "find-guideline": "v1",
    "code-diagnoses": "v7",
    "case-review": "v2",
}
