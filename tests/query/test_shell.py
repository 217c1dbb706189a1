"""Statements one after the other, by file, and with parameters; a trace as a waterfall."""

from __future__ import annotations

from pathlib import Path

import pytest
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from otel_llm_collector.shell import completer, interact

from .conftest import Run, SmallLake


@pytest.fixture
def typed(clinic: SmallLake, capsysbinary: pytest.CaptureFixture[bytes]):
    """What is printed where somebody types such a text."""

    def typing(text: str) -> tuple[str, str]:
        with create_pipe_input() as pipe:
            pipe.send_text(text)
            interact(str(clinic.data), "UTC", None, PromptSession(input=pipe, output=DummyOutput()))
        printed = capsysbinary.readouterr()
        return printed.out.decode(), printed.err.decode()

    return typing


def test_a_statement_ends_with_its_semicolon(typed) -> None:
    out, _ = typed("SELECT user_id, calls\nFROM users\nORDER BY user_id;\nSELECT 7 AS seven;\n.quit\n")
    assert [line.split() for line in out.splitlines() if "─" not in line] == [
        ["user_id", "calls"], ["ada", "2"], ["bob", "1"], ["seven"], ["7"],
    ]  # fmt: skip


def test_a_wrong_statement_is_told_and_does_not_end_it(typed) -> None:
    out, err = typed("FROM calls;\nDROP TABLE spans;\n\n.tables\n.help\nSELECT 1 AS one;\n\x04")
    assert 'no table "calls". Did you mean "llm_calls"?' in err
    assert "only reading statements run here" in err
    assert ("llm_calls\n" in err, "arrow keys" in err, out.split()[0]) == (True, True, "one")


def test_tab_knows_tables_and_columns() -> None:
    found = completer({"llm_calls": ["cost_usd", "model"]})
    offered = {
        one.text for one in found.get_completions(Document("SELECT co"), CompleteEvent(completion_requested=True))
    }
    assert offered == {"cost_usd", "COUNT"}


def test_a_statement_out_of_a_file_with_values(clinic: SmallLake, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "calls.sql"
    file.write_text("SELECT count(*) AS n FROM llm_calls WHERE user_id = $user AND input_tokens > $least")
    ran = run("sql", "--file", str(file), "--param", "user=ada", "--param", "$least=500", "--format", "json")
    assert (ran.code, ran.json) == (0, [{"n": 1}])


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        ((), "give one statement, or --file FILE"),
        (("SELECT 1", "--file", "x.sql"), "give one statement, or --file FILE"),
        (("SELECT 1", "--param", "a"), "--param 'a': write NAME=VALUE"),
    ],
)
def test_what_is_no_statement(clinic: SmallLake, run: Run, argv: tuple[str, ...], told: str) -> None:
    ran = run("sql", *argv)
    assert (ran.code, told in ran.err) == (2, True)


def test_a_waterfall_shows_when(clinic: SmallLake, run: Run) -> None:
    lines = run("trace", f"{1:032x}", "--waterfall").out.splitlines()
    assert max(map(len, lines)) <= 80
    # Of 3 s, one call lies between 0.5 and 1.5, the other between 1.5 and 2.
    whole, first, second = (line[50:] for line in lines if "▇" in line)
    assert (whole.count("▇"), first.count("▇"), second.count("▇")) == (30, 10, 5)
    assert first.index("▇") + 10 == second.index("▇")
