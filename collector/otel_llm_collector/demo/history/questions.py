"""What people ask of their calls, and the command that answers it from a history: `docs/questions.md` shows both."""

from __future__ import annotations

import datetime as dt
import shlex
from typing import Final, NamedTuple

from . import story as s
from .scenes import SCENES, WORKFLOW
from .schedule import traces
from .story import Story


class Question(NamedTuple):
    """What is asked, the command with what the story knows in braces, and what its answer shows."""

    key: str
    asked: str
    command: str
    shows: str

    def line(self, story: Story) -> str:
        """The command for a story as it is typed, without `otel-llm` before it."""
        return self.command.format(**_known(story))

    def words(self, story: Story) -> list[str]:
        """Its words."""
        return shlex.split(self.line(story))


_OF_THE_SPIKE: Final = "--since {spike} --until {spike_end}"
_OF_TRIAGE: Final = f"--where \"prompt_name = '{s.CHANGED_PROMPT}'\""
_OF_RECORDS: Final = f"--where \"prompt_name = '{s.SPIKE_PROMPT}'\""
_OF_LETTERS: Final = f"--where \"prompt_name = '{s.GAMING_PROMPT}'\""
_OF_REVIEWS: Final = "--where \"workflow_name = 'case review'\""

QUESTIONS: Final = (
    Question(
        "spike by prompt",
        "The bill has jumped since yesterday: which prompt is it?",
        f"cost --compare previous --by prompt {_OF_THE_SPIKE} --limit 3",
        "the change of each prompt, and whether more calls, longer ones, other models or prices made it",
    ),
    Question(
        "spike by user",
        "And which user?",
        f"cost --compare previous --by user {_OF_THE_SPIKE} --limit 3",
        "one user before all others",
    ),
    Question(
        "anomalies",
        "Which prompts and users were not as they are on such a day, without my knowing where to look?",
        f"anomalies --by prompt,user {_OF_THE_SPIKE} --limit 4",
        "what was expected by the same weekdays before, what came, and how odd that is",
    ),
    Question(
        "longer prompt",
        "Did the change of the prompt make it longer, and what does that cost?",
        f"prompts {_OF_TRIAGE}",
        "the versions side by side: `v4` has 40 % more tokens a call than `v3`",
    ),
    Question(
        "price",
        "We ask as much as last week, why is it dearer?",
        "cost --compare previous --by request_model --since {price_jump} --until {price_week} --limit 3",
        "one model's price has doubled: its discount has ended",
    ),
    Question(
        "month end",
        "What will this month cost?",
        "forecast --until {forecast}",
        "what was spent until that day, and between which figures the month's end lies nine times in ten",
    ),
    Question(
        "what if",
        "And if another model took over?",
        "forecast --until {forecast} --replace gpt-4o=gemini-2.5-flash",
        "the same calls from that day on at the other model's prices",
    ),
    Question(
        "workflow",
        "Where in 47 steps does the money go?",
        "trace {review} --depth 1",
        "the workflow's agents, each with the cost, time and tokens of everything below it",
    ),
    Question(
        "agents",
        "Which agent burns the budget, over all runs?",
        f"cost --by agent {_OF_REVIEWS} --since {{month}}",
        "what the calls below each agent cost, as a share of the workflow",
    ),
    Question(
        "two models",
        "Gemini or GPT-4o, for the same task?",
        f"prompts --by prompt,request_model {_OF_RECORDS}",
        "cost of a call, latency and failures; `--format json`, or a wider terminal, has their scores, too",
    ),
    Question(
        "department",
        "What does each department cost?",
        "cost --by property.department --since {month}",
        "the month by the property `department` that the programs set",
    ),
    Question(
        "gaming",
        "Does anybody game us with very long prompts?",
        f"users {_OF_LETTERS} --since {{fortnight}} --limit 3",
        "one patient with twenty times the input of anybody else in a call",
    ),
    Question(
        "split",
        "The portal has become slow: is it the model, the network or our code?",
        f"latency --split --by day --where \"service_name = '{s.SLOW_SERVICE}'\" --since {{slow}} --until {{slow_end}}",
        "where the time of a request went, each moment counted once: own code, for three days",
    ),
    Question(
        "first chunk",
        "How long do people wait for the first word?",
        "latency --exact --by request_model --where stream --since {month}",
        "time to the first chunk of streams, beside the whole call and the tokens a second",
    ),
    Question(
        "errors",
        "Who fails, how often, after how many attempts?",
        "errors --by provider --since {month}",
        "kinds of errors by provider, with their part of all calls",
    ),
    Question(
        "cache",
        "What do the prompt caches save?",
        "cache --by request_model --since {month} --limit 5",
        "tokens read from caches, and what they would have cost besides",
    ),
    Question(
        "session",
        "What happened in a session?",
        "sessions --where \"user_id = '{spike_user}'\" --since {spike_end} --limit 3",
        "the user's sessions of the days after, the newest first",
    ),
    Question(
        "hql",
        "Do the queries that we have for Helicone run?",
        "sql \"SELECT properties['department'] AS department, count(*) AS requests, sum(cost) / 1e9 AS usd "
        "FROM request_response_rmt WHERE request_created_at >= '{month}' AND status = 200 GROUP BY 1 ORDER BY 3 DESC\"",
        "its column names, over the same calls",
    ),
)


def _known(story: Story) -> dict[str, str]:
    """The days of the story, and the workflow that is looked at."""
    day = dt.timedelta(days=1)
    slow, slow_end = story.slow
    days = {
        "spike": story.spike,
        "spike_end": story.spike + day,
        "price_jump": story.price_jump,
        "price_week": story.price_jump + 7 * day,
        "forecast": story.forecast,
        "month": story.forecast.replace(day=1),
        "fortnight": (story.until - 14 * day).date(),
        "slow": slow - day,
        "slow_end": slow_end + day,
    }
    names = {"spike_user": s.SPIKE_USER, "review": review(story)[:12]}
    return {name: moment.isoformat() for name, moment in days.items()} | names


def review(story: Story) -> str:
    """The trace of the last case review on the day of the spike or before, in hex."""
    scenes = [scene for scene in SCENES if scene.step.kind is WORKFLOW]
    for date in reversed([date for date in story.dates if date <= story.spike]):
        if found := traces(story, date, scenes):
            return found[-1].trace.id.hex()
    raise LookupError("a story without a case review")
