"""What people ask of their calls, and the command that answers it from a history: `docs/questions.md` shows both."""

from __future__ import annotations

import datetime as dt
import shlex
from typing import Final, NamedTuple

from . import story as s
from .story import Story


class Question(NamedTuple):
    """What is asked, the command with the story's days in braces, and what its answer shows."""

    key: str
    asked: str
    command: str
    shows: str

    def words(self, story: Story) -> list[str]:
        """The command for a story, without `otel-llm` before it."""
        return shlex.split(self.command.format(**_named(story)))


QUESTIONS: Final = (
    Question(
        "spike",
        "The bill of one day is many times that of the others: which day, which prompt, which user?",
        "cost --by day,prompt --since {spike_before} --until {spike_after}",
        "the day before, the day, the day after, each by prompt: one prompt has it all",
    ),
    Question(
        "spike_user",
        "And who ran it?",
        "cost --by user,prompt,model --since {spike} --until {spike_after} --limit 5",
        "one user, one prompt, one model before all others, with their share of the day",
    ),
    Question(
        "department",
        "What does each department cost?",
        "cost --by property.department --since {month}",
        "the month by the property `department` that the programs set",
    ),
)


def _named(story: Story) -> dict[str, str]:
    day = dt.timedelta(days=1)
    moments = {
        "spike": story.spike,
        "spike_before": story.spike - day,
        "spike_after": story.spike + day,
        "prompt_change": story.prompt_change,
        "price_jump": story.price_jump,
        "month": (story.until - day).date().replace(day=1),
    }
    return {name: moment.isoformat() for name, moment in moments.items()} | {"gaming_user": s.GAMING_USER}
