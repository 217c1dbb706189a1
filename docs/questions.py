"""Writes docs/questions.md: the questions, asked of a history that is made for it, with their answers. `make docs`.

The README shows some of them, which are written again there.

`tests/demo/test_questions.py` holds the page against the answers that the same history gives there.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import os
import re
import sys
import tempfile
from pathlib import Path
from unittest import mock

from otel_llm.cli import main as otel_llm
from otel_llm_collector.demo.history.questions import QUESTIONS, Question
from otel_llm_collector.demo.history.stage import make
from otel_llm_collector.demo.history.story import Story

PAGE = Path(__file__).with_name("questions.md")
README = PAGE.parent.with_name("README.md")
#: A command, and what it answers.
SHOWN = re.compile(r"^```text\n(\$ otel-llm [^\n]+\n).*?^```$", re.MULTILINE | re.DOTALL)
UNTIL = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
STORY = Story(60, UNTIL)
WIDTH = 126

INTRO = """\
<!-- Written by `make docs` from the answers themselves; change the questions in the code of the demo. -->

What teams ask of their calls, and the command that answers it. The data is made up, but sent as programs send it:

```text
otel-llm demo --history 60d --until 2026-11-01 --data ./clinic
```

A history has a day on which one user runs one prompt over every old record, a prompt that a change makes longer, a
discount that ends, a patient whose prompts grow, and three days on which the portal's own code is slow. The commands
take `--data ./clinic`, which is left out below; all of them answer as `--format json`, `csv` and `parquet`, too.
"""


def page(data: Path, story: Story = STORY) -> str:
    """The whole page, by what the commands answer in this data directory."""
    rows = [f"| {question.asked} | `otel-llm {question.line(story)}` | {question.shows} |" for question in QUESTIONS]
    table = "\n".join(["| question | command | the answer shows |\n|---|---|---|", *rows])
    answers = [
        f"### {question.asked}\n\n```text\n$ otel-llm {question.line(story)}\n{answer(data, question, story)}\n```"
        for question in QUESTIONS
    ]
    return "\n\n".join(["# Questions", INTRO.strip(), table, "## Answers", *answers]) + "\n"


def answer(data: Path, question: Question, story: Story, *options: str) -> str:
    """What the command of a question writes to stdout."""
    raw = io.BytesIO()
    environment = {"COLUMNS": str(WIDTH), "OTEL_LLM_CONTRACTS": str(data / "demo/contracts.toml")}
    with (
        mock.patch.dict(os.environ, environment),
        contextlib.redirect_stdout(io.TextIOWrapper(raw)) as out,
        contextlib.redirect_stderr(io.StringIO()) as said,
    ):
        code = otel_llm([*question.words(story), "--data", str(data), *options])
        out.flush()
    if code:
        raise SystemExit(f"{question.asked}: exit code {code}: {said.getvalue()}")
    lines = raw.getvalue().decode().splitlines()
    return "\n".join(line.rstrip() for line in lines).strip("\n")


def readme(text: str, page: str) -> str:
    """The README with the answers that it shows as they stand in the page."""
    answers = {found[1]: found[0] for found in SHOWN.finditer(page)}
    return SHOWN.sub(lambda found: answers[found[1]], text)


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "clinic"
        make(data, STORY.days, STORY.until, dt.datetime.now(dt.UTC))
        found = page(data)
    for path, text in ((PAGE, found), (README, readme(README.read_text(), found))):
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(f"wrote {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
