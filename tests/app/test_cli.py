"""The command: what it lists, what it says when something is wrong, and the codes that it ends with."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from typing import Any

import pytest

from otel_llm import cli
from otel_llm.errors import NoDataError


class Command:
    """An entry point that loads what it is told to."""

    def __init__(self, name: str, loaded: Any) -> None:
        self.name = name
        self._loaded = loaded

    def load(self) -> Any:
        if isinstance(self._loaded, Exception):
            raise self._loaded
        return self._loaded


def serve(monkeypatch: pytest.MonkeyPatch, **commands: Any) -> None:
    points = [Command(name, loaded) for name, loaded in commands.items()]
    monkeypatch.setattr(cli, "entry_points", lambda group: points)


def fail(error: BaseException) -> Any:
    def command(argv: list[str]) -> int:
        raise error

    return command


def test_a_command_that_is_nearly_one_is_suggested(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["colector"]) == 2
    assert "did you mean 'collector'?" in capsys.readouterr().err


def test_help_has_one_line_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 0
    output = capsys.readouterr().out
    for name in {point.name for point in entry_points(group=cli.GROUP)}:
        assert cli.SUMMARIES[name] in output
    assert max(len(line) for line in output.splitlines()) <= 100


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("otel-llm 0.")


def test_a_command_gets_its_arguments_and_gives_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    serve(monkeypatch, sql=len)
    assert cli.main(["sql", "a", "b"]) == 2


@pytest.mark.parametrize(("name", "extra"), [("sql", "collector"), ("demo", "demo")])
def test_a_missing_extra_is_answered_with_the_line_to_type(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, extra: str
) -> None:
    serve(monkeypatch, **{name: ModuleNotFoundError("No module named 'duckdb'", name="duckdb")})
    assert cli.main([name]) == 1
    assert capsys.readouterr().err == f"otel-llm: pip install 'otel-llm[{extra}]'\n"


def test_errors_of_ours_are_one_line_and_their_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(monkeypatch, sql=fail(NoDataError("no data in ./x: start `otel-llm collector`")))
    assert cli.main(["sql"]) == 3
    assert capsys.readouterr().err == "otel-llm: no data in ./x: start `otel-llm collector`\n"
    assert cli.main(["nothing"]) == 2
    assert cli.main(["run"]) == 2


def test_ctrl_c_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    serve(monkeypatch, sql=fail(KeyboardInterrupt()))
    assert cli.main(["sql"]) == 130


def test_a_reader_that_has_gone_is_no_error() -> None:
    import subprocess

    code = (
        "import sys; from otel_llm import cli; cli._load = lambda n: lambda a: print('x' * 10**6) or 0; cli.main(['a'])"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
