"""What the collector is told, in which order, what is wrong with it, and what of it changes while it runs."""

from __future__ import annotations

import re
import signal
import socket
import tempfile
import time
import tomllib
from pathlib import Path

import pytest
from rig import otlp
from rig.processes import collector, wait_for

from otel_llm.errors import UsageError
from otel_llm_collector import supervisor
from otel_llm_collector.config_file import Configured, misspelled
from otel_llm_collector.forward import Destination
from otel_llm_collector.options import OPTIONS, Config

DOCS = Path(__file__).parents[2] / "docs/settings.md"
FILE = """\
http = "127.0.0.1:1"
grpc = "127.0.0.1:2"
memory_bytes_max = "3MiB"

[[forward]]
url = "https://otlp.example.com"
headers = {authorization = "Bearer KEY"}
only_llm = true
queue_bytes_max = "1MiB"
"""
TWO = '[[forward]]\nurl = "http://h:1"\nqueue_bytes_max = "1MiB"\nheaders = {}\n\n[[forward]]\nurl = "http://h:2"\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "collector.toml"
    path.write_text(text)
    return path


def test_flags_win_over_the_environment_over_the_file_over_the_default(tmp_path: Path) -> None:
    environment = {"OTEL_LLM_COLLECTOR_GRPC": "127.0.0.1:22", "OTEL_LLM_COLLECTOR_MEMORY_BYTES_MAX": "5000"}
    found = Configured({"memory_bytes_max": "7kB".upper()}, environment, written(tmp_path, FILE))
    config = found.config
    assert (config.http, config.grpc, config.memory_bytes_max) == ("127.0.0.1:1", "127.0.0.1:22", 7000)
    assert config.log_level == "warning"
    names = ("memory_bytes_max", "grpc", "http", "log_level")
    assert [found.source[name] for name in names] == ["flag", "environment", "file", "default"]
    target = Destination("https://otlp.example.com", {"authorization": "Bearer KEY"}, only_llm=True)
    assert config.forward == (Destination(**{**vars_of(target), "queue_bytes_max": 1024 * 1024}),)


def vars_of(target: Destination) -> dict[str, object]:
    return {name: getattr(target, name) for name in target.__slots__}


def test_deployments_are_a_table_or_pairs(tmp_path: Path) -> None:
    known = {"chat-prod": "gpt-4o", "small": "gpt-4o-mini"}
    path = written(tmp_path, '[deployments]\nchat-prod = "gpt-4o"\nsmall = "gpt-4o-mini"\n')
    found = Configured({}, {}, path)
    assert found.config.deployments == known
    assert Configured({}, {}, written(tmp_path, found.as_toml())).config.deployments == known
    pairs = {"OTEL_LLM_DEPLOYMENTS": "chat-prod=gpt-4o, small=gpt-4o-mini"}
    assert Configured({}, pairs, None).config.deployments == known
    assert Configured({"deployments": "a=b"}, pairs, None).config.deployments == {"a": "b"}


def test_every_option_has_a_default_that_can_be_read() -> None:
    config = Configured({}, {}, None).config
    assert Config.load(config.dump()) == config
    assert [row.name for row in OPTIONS if getattr(config, row.name) is None] == []


def test_a_configuration_is_the_same_in_another_process(tmp_path: Path) -> None:
    config = Configured({"forward_enriched": ["grpc://h:1"]}, {}, written(tmp_path, FILE)).config
    assert Config.load(config.dump()) == config


def test_what_is_printed_is_a_file_that_says_the_same_but_secrets(tmp_path: Path) -> None:
    found = Configured({"forward_enriched": ["grpc://h:1"]}, {"OTEL_LLM_DATA": 'a"\x7f'}, written(tmp_path, FILE))
    text = found.as_toml()
    assert "KEY" not in text
    assert "authorization" in text
    again = Configured({}, {}, written(tmp_path, text)).config
    assert again.data == 'a"\x7f'
    assert [target.url for target in again.targets] == ["https://otlp.example.com", "grpc://h:1"]
    assert [target.enriched for target in again.targets] == [False, True]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('http = "127.0.0.1:1"\nhtttp = "x"', 2, "unknown key 'htttp', did you mean 'http'?"),
        ("\n[forwards]\nurl = 1", 2, "did you mean 'forward'?"),
        ('[[forward]]\nurl = "http://h:1"\nonly_lm = true', 3, "did you mean 'only_llm'?"),
        ('forward = [{url = "http://h:1", header = {}}]', 1, "did you mean 'headers'?"),
        ("zzz = 1", 1, "one of data, lake"),
        ('\nhttp = "nowhere"', 2, "give HOST:PORT"),
        ('grpc = "::1:4317"', 1, "in brackets: [::1]:4317"),
        ('body_bytes_max = "much"', 1, "64MiB"),
        ("body_bytes_max = true", 1, "64MiB"),
        ("archive_days = -1", 1, "number of days"),
        ('log_level = "loud"', 1, "debug, info, warning, error"),
        ("forward = 7", 1, "give a list"),
        ("[[forward]]\nonly_llm = true", 1, "has a url"),
        ('[[forward]]\nurl = "http://h:1"\nonly_llm = "yes"', 3, "only_llm = true or false"),
        ("deployments = 7", 1, 'give deployment = "model"'),
        ('[deployments]\nsmall = "gpt-4o-mini"\nchat = 7', 3, 'give deployment = "model"'),
        ('[deployments]\nchat = " "', 2, 'give deployment = "model"'),
        ('[deployments]\n"" = "gpt-4o"', 2, 'give deployment = "model"'),
        ('deployments = "chat"', 1, "not name=value"),
        ('[[forward]]\nurl = "ftp://h:1"', 2, "http://HOST:PORT"),
        (f"{TWO}queue_bytes_max = -1", 8, "queue_bytes_max: give a number of bytes above 0"),
        (f"{TWO}\n[[forward]]\nonly_llm = true", 9, "each target has a url"),
        (f"{TWO}headers = {{a = 1}}", 8, 'headers = {authorization = "Bearer TOKEN"}'),
        (f'{TWO}headers = "a=1"', 8, 'headers = {authorization = "Bearer TOKEN"}'),
        ("[[forward]]\nurl = 5", 2, 'give url = "http://127.0.0.1:4318"'),
        ('[[forward]]\nurll = "http://h:1"', 2, "did you mean 'url'?"),
        ("http = 4318", 1, 'in quotes: "127.0.0.1:4318"'),
        ("data = 5", 1, "give text in quotes"),
        ('tokens = "abc"', 1, "TENANT=TOKEN"),
        ("body_bytes_max = 99999999999999999999999999", 1, "give at most"),
        ('body_bytes_max = "2GiB"', 1, "give at most 2147483647"),
        ("sql_niceness = 50", 1, "give at most 19"),
    ],
)
def test_what_is_wrong_in_a_file_names_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        Configured({}, {}, written(tmp_path, text))
    assert f"collector.toml line {line}: " in str(caught.value)
    assert words in str(caught.value)


def test_what_is_wrong_elsewhere_names_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match=r"^OTEL_LLM_COLLECTOR_HTTP: give HOST:PORT"):
        Configured({}, {"OTEL_LLM_COLLECTOR_HTTP": "x"}, None)
    assert supervisor.command(["--grpc", "x"]) == UsageError.exit_code
    assert "--grpc: give HOST:PORT" in capsys.readouterr().err
    assert supervisor.command(["--config", str(tmp_path / "none.toml")]) == UsageError.exit_code
    assert "none.toml: No such file" in capsys.readouterr().err
    assert supervisor.command(["--config", str(written(tmp_path, "= 1"))]) == UsageError.exit_code
    assert "is no TOML" in capsys.readouterr().err
    (tmp_path / "latin.toml").write_bytes(b'data = "d"\n# caf\xe9\n')
    assert supervisor.command(["--config", str(tmp_path / "latin.toml")]) == UsageError.exit_code
    assert "latin.toml line 2: not UTF-8" in capsys.readouterr().err


def test_the_configuration_can_be_printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_LLM_COLLECTOR_LOG_LEVEL", "error")
    assert supervisor.command(["--print-config", "--archive-days", "3"]) == 0
    shown = capsys.readouterr().out
    assert tomllib.loads(shown) == {**tomllib.loads(shown), "archive_days": 3.0, "log_level": "error"}
    assert 'log_level = "error"  # environment' in shown


def test_what_is_printed_shows_no_password_of_a_url() -> None:
    text = Configured({"forward": ["http://me:KEY@h:1/otlp?token=KEY"]}, {}, None).as_toml()
    assert "KEY" not in text
    assert 'url = "http://h:1/otlp"' in text
    assert "# url: what may be a password in it (hidden)" in text


def test_variables_that_nothing_reads_are_told_of_where_they_are_near_one_of_ours() -> None:
    names = ("OTEL_LLM_COLLECTOR_HTPP", "OTEL_LLM_COLLECTOR_HTTP", "OTEL_LLM_HOSTS", "OTEL_LLM_OF_OTHERS")
    environment = dict.fromkeys(names, "")
    assert list(misspelled(environment)) == [("OTEL_LLM_COLLECTOR_HTPP", "OTEL_LLM_COLLECTOR_HTTP")]


def test_the_file_in_the_documentation_is_one(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", DOCS.read_text(), re.DOTALL)
    found = Configured({}, {}, written(tmp_path, text))
    assert [target.only_llm for target in found.config.targets] == [True]
    assert "file" in found.source.values()


def test_a_data_directory_is_on_one_disk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second disk")
    with tempfile.TemporaryDirectory(dir=memory) as other:
        (tmp_path / "archive").symlink_to(other)
        assert supervisor.command(["--data", str(tmp_path), "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"]) == 1
    assert "are on two disks" in capsys.readouterr().err


def test_sighup_takes_over_what_can_be(tmp_path: Path) -> None:
    with collector(tmp_path / "second") as second:
        path = written(tmp_path, "")
        with collector(tmp_path / "first", "--config", str(path)) as first:
            before = first.http
            written(tmp_path, "memory_bytes_maxx = 1")
            first.process.send_signal(signal.SIGHUP)
            wait_for(lambda: "did you mean 'memory_bytes_max'" in first.stderr)
            written(tmp_path, f'forward = ["http://{second.http}"]\narchive_days = 2\nhttp = "127.0.0.1:9"\n')
            first.process.send_signal(signal.SIGHUP)
            wait_for(lambda: "the configuration was read again" in first.stderr)
            body = otlp.request(otlp.span(otlp.chat(), name="handed on")).SerializeToString()
            assert otlp.post(f"http://{before}/v1/traces", body).status == 200
            for process in (first, second):
                wait_for(lambda data=process.data: otlp.rows(data, "SELECT 1 FROM t WHERE name = 'handed on'"))  # type: ignore[misc]
            assert first.stop() == 0
        assert "stays as it was" in first.stderr


def test_sighup_reads_contracts_again_that_changed_under_their_name(tmp_path: Path) -> None:
    contracts, text = tmp_path / "contracts.toml", '[[contract]]\nname = "x"\nprices = {{ input_mtok = "{}" }}\n'
    contracts.write_text(text.format(1))
    with collector(tmp_path / "data", "--contracts", str(contracts)) as running:
        contracts.write_text(text.format(7))
        running.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "the configuration was read again" in running.stderr)
        body = otlp.request(otlp.span(otlp.chat(1_000_000, 0))).SerializeToString()
        assert otlp.post(running.traces_url, body).status == 200
        (row,) = wait_for(lambda: otlp.rows(running.data, "SELECT cost_usd FROM t"))
    assert row["cost_usd"] == 7


def test_a_client_that_hangs_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with collector(tmp_path / "data") as running:
        host, _, port = running.http.partition(":")
        body = otlp.request(otlp.span(otlp.chat())).SerializeToString()
        assert otlp.post(running.traces_url, body).status == 200
        with socket.create_connection((host, int(port))) as hanging:
            hanging.sendall(b"POST /v1/traces HTTP/1.1\r\nhost: h\r\ncontent-length: 1000\r\n\r\n")
            began = time.monotonic()
            assert running.stop() == 0
        assert time.monotonic() - began < 15  # 10 by the supervisor's clock; a loaded machine starts and stops slowly
        assert otlp.rows(running.data, "SELECT count(*) n FROM t") == [{"n": 1}]


def test_the_archive_is_kept_by_age_and_by_size(tmp_path: Path) -> None:
    from rig.lake import store

    from otel_llm_collector import journal
    from otel_llm_collector.archive import Archive

    for _ in range(4):
        store(tmp_path, otlp.request(otlp.span(otlp.chat())))
    folder = journal.archive_dir(tmp_path)
    folder.mkdir()
    for segment in journal.closed_segments(journal.journal_dir(tmp_path)):
        segment.path.rename(folder / segment.path.name)
    sizes = [segment.path.stat().st_size for segment in journal.closed_segments(folder)]
    Archive(tmp_path, 7, sum(sizes), 30).clean()
    assert [segment.number for segment in journal.closed_segments(folder)] == [1, 2, 3, 4]
    Archive(tmp_path, 7, sum(sizes) - 1, 30).clean()
    assert [segment.number for segment in journal.closed_segments(folder)] == [2, 3, 4]
    Archive(tmp_path, 0, sum(sizes), 30).clean()
    assert journal.closed_segments(folder) == []
