"""The commands: what they print, in which format, with which exit code."""

from __future__ import annotations

import csv
import io
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake.exceptions import DeltaError

from otel_llm.errors import UsageError
from otel_llm_collector import cli, commandline, questions, supervisor
from otel_llm_collector.config import check_data_dir, data_dir
from otel_llm_collector.lake.address import check_address

from .conftest import Run, SmallLake, span

FOOTNOTE = "1 of 4 calls has no cost and is not in the sums: 1 failed or reported no usage (missing_usage)\n"


def as_process(command: str, lake: SmallLake, **more: object) -> subprocess.CompletedProcess[bytes]:
    argv = [sys.executable, "-m", "otel_llm.cli", command, *more.pop("argv", [])]
    env = os.environ | {"OTEL_LLM_DATA": str(lake.data)}
    return subprocess.run(argv, env=env, timeout=30, capture_output=True, check=False, **more)


def test_cost_as_a_table(clinic: SmallLake, run: Run) -> None:
    ran = run("cost", "--by", "user,property.department")
    assert (ran.code, ran.err) == (0, f"no room in 80 columns for errors, share; --format csv has them\n{FOOTNOTE}")
    assert ran.out == (
        "user   department  calls  input  cached  output        cost USD  unpriced\n"
        "─────────────────────────────────────────────────────────────────────────\n"
        "ada    triage          2  1,300     200      70  1.250150000001         0\n"
        "-      billing         1      7       -       1  0.500000000000         0\n"
        "bob    -               1      -       -       -               -         1\n"
        "─────────────────────────────────────────────────────────────────────────\n"
        "total                  4  1,307     200      71  1.750150000001         1\n"
    )


def test_latency_as_a_table(clinic: SmallLake, run: Run) -> None:
    ran = run("latency", "--by", "provider")
    assert (ran.code, ran.err) == (0, "no room in 80 columns for errors, first_chunk_p99_ms; --format csv has them\n")
    assert ran.out == (
        "                                                  1st chunk            tokens\n"
        "provider   calls  p50 ms  p90 ms  p95 ms  p99 ms     p50 ms  p95 ms  a second\n"
        "─────────────────────────────────────────────────────────────────────────────\n"
        "openai         3    60.0   812.0   906.0   981.2      250.0   250.0      41.7\n"
        "anthropic      1   500.0   500.0   500.0   500.0          -       -      40.0\n"
        "─────────────────────────────────────────────────────────────────────────────\n"
        "total          4   280.0   850.0   925.0   985.0      250.0   250.0      40.0\n"
    )


@pytest.mark.parametrize(
    "by",
    [
        "model",
        "attempts",
        "user,property.department",
        "model,user,property.department",
        "day,service,environment",
        "trace",
    ],
)
def test_tables_keep_to_80_columns_and_break_no_number(clinic: SmallLake, run: Run, by: str) -> None:
    ran = run("cost", "--by", by)
    assert max(map(len, ran.out.splitlines())) <= 80
    assert "1.750150000001" in ran.out.splitlines()[-1]


def test_a_limit_shortens_the_rows_but_not_the_total(clinic: SmallLake, run: Run) -> None:
    ran = run("cost", "--by", "user", "--limit", "1")
    assert ran.out.splitlines()[2].startswith("ada")
    assert len(ran.out.splitlines()) == 5
    assert "1.750150000001" in ran.out.splitlines()[-1]
    assert ran.err == "the first 1 of 3 rows; --limit 0 shows all\n" + FOOTNOTE


def test_json_has_decimals_as_strings_and_nothing_lost(clinic: SmallLake, run: Run) -> None:
    first, _ = run("cost", "--by", "day", "--format", "json").json
    assert first["day"] == "2026-11-02"
    assert first["cost_usd"] == "1.250150000001"
    assert first["unpriced_reasons"] == {"missing_usage": 1}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1.50::DECIMAL(5,2)", "1.50"),
        ("sum(2::BIGINT)", 2),
        ("MAP {'k': 1.0::DECIMAL(18,12)}", {"k": "1.000000000000"}),
        ("{'a': [DATE '2026-11-02']}", {"a": ["2026-11-02"]}),
        ("TIMESTAMPTZ '2026-11-02 01:00:00+01'", "2026-11-02T00:00:00+00:00"),
        ("TIMESTAMP_NS '2026-11-02 00:00:00.123456789'", "2026-11-02T00:00:00.123456"),
        ("'nan'::DOUBLE", None),
        ("'x'::BLOB", "eA=="),
        ("INTERVAL '1 day 1.5 seconds'", "P0M1DT1.5S"),
        ("NULL", None),
        ("true", True),
        ("1e300::DOUBLE", 1e300),
    ],
)
def test_every_type_has_a_json_form(clinic: SmallLake, run: Run, expression: str, value: object) -> None:
    assert run("sql", f"SELECT {expression} AS v", "--format", "json").json == [{"v": value}]


def test_names_given_twice_are_told_apart(clinic: SmallLake, run: Run) -> None:
    assert run("sql", "SELECT 1 a, 2 a, 3 a", "--format", "json").json == [{"a": 1, "a_2": 2, "a_3": 3}]


def test_csv_is_exact(clinic: SmallLake, run: Run) -> None:
    query = "SELECT name, cost_usd, properties FROM llm_calls ORDER BY span_id"
    rows = list(csv.DictReader(io.StringIO(run("sql", query, "--format", "csv").out)))
    assert sum(Decimal(row["cost_usd"] or 0) for row in rows) == Decimal("1.750150000001")
    assert rows[-1]["properties"] == '{"department": "billing"}'


def test_parquet_goes_to_stdout_or_a_file(clinic: SmallLake, run: Run, tmp_path: Path) -> None:
    target = tmp_path / "calls.parquet"
    assert run("sql", "FROM llm_calls", "--format", "parquet", "--output", str(target)).out == ""
    piped = pq.read_table(io.BytesIO(run("sql", "FROM llm_calls", "--format", "parquet").raw))
    assert pq.read_table(target).sort_by("row_id").equals(piped.sort_by("row_id"))
    assert piped.num_rows == 4
    assert str(piped.schema.field("cost_usd").type) == "decimal128(18, 12)"


def test_an_interval_is_a_text_in_parquet(clinic: SmallLake, run: Run) -> None:
    sql = "SELECT INTERVAL 90 MINUTE AS spent, NULL::INTERVAL AS unknown, 1.5 AS n"
    written = pq.read_table(io.BytesIO(run("sql", sql, "--format", "parquet").raw))
    (row,) = run("sql", sql, "--format", "json").json
    assert written.to_pylist() == [{"spent": row["spent"], "unknown": None, "n": Decimal("1.5")}]
    assert row["spent"] == "P0M0DT5400S"


def test_nothing_is_written_into_the_data_directory(clinic: SmallLake, run: Run) -> None:
    ran = run("sql", "SELECT 1", "--output", str(clinic.data / "spans" / "x.csv"))
    assert ran.code == 2
    assert "lies inside the data directory" in ran.err
    ran = run("sql", "SELECT 1", "--output", "/no/such/dir/x.csv")
    assert (ran.code, ran.err) == (1, "otel-llm sql: cannot write /no/such/dir/x.csv: No such file or directory\n")


@pytest.mark.parametrize(
    ("format", "out"),
    [("table", "model  calls  input  output  cost USD  share\n" + "─" * 44 + "\n"), ("json", "[]\n")],
)
def test_no_rows_are_an_answer(clinic: SmallLake, run: Run, format: str, out: str) -> None:
    ran = run("cost", "--where", "false", "--format", format)
    assert (ran.code, ran.err) == (0, "no calls match\n")
    assert ran.out == out


def test_wide_rows_stand_in_blocks(clinic: SmallLake, run: Run) -> None:
    ran = run("sql", "FROM spans")
    assert ran.out.startswith("── row 1 ──\n")
    assert "               cost_usd  0.000150000001\n" in ran.out


def test_few_columns_stand_in_a_grid(clinic: SmallLake, run: Run) -> None:
    ran = run("sql", "SELECT span_id, cost_usd, duration_ms FROM spans ORDER BY span_id LIMIT 2")
    assert ran.out == (
        "span_id                 cost_usd  duration_ms\n"
        "─────────────────────────────────────────────\n"
        "0000000000000001               -       3000.0\n"
        "0000000000000002  0.000150000001       1000.0\n"
    )


def test_long_results_are_cut_in_a_table_only(clinic: SmallLake, run: Run) -> None:
    ran = run("sql", "FROM range(1000)")
    assert len(ran.out.splitlines()) == 102
    assert ran.err.startswith("the first 100 rows, there are more")
    assert len(run("sql", "FROM range(1000)", "--limit", "0").out.splitlines()) == 1002
    assert len(run("sql", "FROM range(1000)", "--format", "json").json) == 1000
    assert len(run("sql", "FROM range(1000)", "--format", "json", "--limit", "7").json) == 7


@pytest.mark.parametrize(
    "query",
    [
        "DESCRIBE spans",
        "SHOW TABLES",
        "SUMMARIZE llm_calls",
        "EXPLAIN SELECT 1",
        "/* why */ EXPLAIN ANALYZE FROM spans",
        "VALUES (1)",
        "FROM spans LIMIT 1;",
        "PIVOT llm_calls ON provider USING sum(cost_usd)",
        "WITH RECURSIVE a AS (SELECT 1 x UNION ALL SELECT x + 1 FROM a WHERE x < 3) FROM a",
        "SELECT 'COPY x TO y' AS copy -- INSERT",
    ],
)
def test_reading_statements_run(clinic: SmallLake, run: Run, query: str) -> None:
    ran = run("sql", query)
    assert ran.code == 0
    assert ran.out


def test_a_plan_keeps_its_lines(clinic: SmallLake, run: Run) -> None:
    lines = run("sql", "EXPLAIN SELECT 1").out.splitlines()
    assert len(lines) > 5
    assert not any(r"\n" in line for line in lines)


@pytest.mark.parametrize(
    "query",
    [
        "COPY spans TO '{out}'",
        "WITH x AS (COPY (SELECT 1) TO '{out}') FROM x",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{out}'",
        "/* a */ EXPLAIN /* b */ ANALYZE WITH x AS (COPY (SELECT 1) TO '{out}') FROM x",
        "FROM query('WITH x AS (COPY (SELECT 1) TO ''{out}'') FROM x')",
        "PIVOT (WITH x AS (COPY (SELECT 1 a) TO '{out}') FROM x) ON a",
        "ATTACH '{out}'",
        "EXPORT DATABASE '{out}'",
        "CREATE TABLE t (x INT)",
        "DROP VIEW spans",
        "SET threads = 1",
        "INSTALL httpfs",
        "PRAGMA database_list",
        "SELECT 1; COPY spans TO '{out}'",
    ],
)
def test_writing_statements_are_refused(clinic: SmallLake, run: Run, query: str, tmp_path: Path) -> None:
    ran = run("sql", query.format(out=tmp_path / "out"))
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (("sql", "SELEC 1"), 2, 'syntax error at or near "SELEC" (at: SELEC 1)'),
        (("sql", "SELECT cost_us FROM llm_calls"), 2, '"cost_usd"'),
        (("sql", "SELECT cost_us FROM llm_calls"), 2, "`DESCRIBE spans` lists the columns"),
        (("sql", "FROM lm_calls"), 2, 'no table "lm_calls". Did you mean "llm_calls"? There are: spans,'),
        (("sql", "SELECT frob(1)"), 2, "frob"),
        (("sql", ""), 2, "the query is empty"),
        (("sql", "SELECT $u, $v", "--param", "v=1"), 2, "no value for $u: give --param u=..."),
        (("sql", "SELECT $u", "--param", "u=1", "--param", "v=1"), 2, "there is a value for $v, but no $v in"),
        (("sql", "SELECT 1", "--param", "v=1"), 2, "1 given for the 0 parameters of the statement"),
        (("sql",), 2, "give one statement, or --file FILE, or -i to type several"),
        (("sql", "SELECT 'x'::INT"), 1, "Could not convert string 'x'"),
        (("sql", "SELECT if(range = 999999, error('late'), '') FROM range(1000000)", "--format", "csv"), 1, "late"),
        (("sql", "SELECT 1", "--format", "xml"), 2, "'xml' is not one of"),
        (("cost", "--nope"), 2, "No such option: --nope"),
        (("cost", "--by", "modle"), 2, 'Did you mean "model"?'),
        (("cost", "--by", "start_time"), 2, "cannot group by 'start_time': use day, hour or month"),
        (("cost", "--by", "properties"), 2, "use property.KEY, one of them"),
        (("cost", "--by", "depatrment"), 2, 'Did you mean "property.department"?'),
        (
            ("latency", "--by", "property.depatrment", "--format", "csv"),
            0,
            "none of these calls has property.depatrment; others are property.dep",
        ),
        (("cost", "--since", "whenever"), 2, "cannot read the time 'whenever'"),
        (("cost", "--tz", "Mars"), 2, "unknown time zone 'Mars'"),
        (("cost", "--where", "nope"), 2, 'in --where: Binder Error: Referenced column "nope"'),
        (("latency", "--by", "x"), 2, "cannot group by 'x'"),
        (("cost", "--data", "/no/such/place"), 3, "no data directory at /no/such/place"),
        (("trace",), 2, "Missing argument 'ID'"),
    ],
)
def test_errors_are_one_line_that_says_what_to_do(
    clinic: SmallLake, run: Run, argv: tuple[str, ...], code: int, message: str
) -> None:
    ran = run(*argv)
    assert ran.code == code
    assert message in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("argv", [("sql", "SELECT 1"), ("cost",), ("latency",), ("trace", "last")])
def test_an_empty_lake_is_exit_code_3(lake: SmallLake, run: Run, argv: tuple[str, ...]) -> None:
    ran = run(*argv)
    assert (ran.code, ran.out) == (3, "")
    assert "holds nothing yet" in ran.err


def test_times_are_shown_in_the_time_zone_asked_for(clinic: SmallLake, run: Run) -> None:
    query = "SELECT min(start_time) AS t FROM spans"
    assert run("sql", query, "--format", "json").json == [{"t": "2026-11-02T00:00:00+00:00"}]
    berlin = run("sql", query, "--format", "json", "--tz", "Europe/Berlin").json
    assert berlin == [{"t": "2026-11-02T01:00:00+01:00"}]


def test_a_query_may_come_from_stdin(clinic: SmallLake) -> None:
    ran = as_process("sql", clinic, argv=["-", "--format", "csv"], input=b"SELECT count(*) AS n FROM spans")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"n\n6\n", b"")


def test_a_reader_that_has_seen_enough_is_no_error(clinic: SmallLake) -> None:
    code = "import sys; from otel_llm_collector.cli import sql; sys.exit(sql(sys.argv[1:]))"
    argv = [sys.executable, "-c", code, "FROM range(3000000)", "--format", "csv", "--data", str(clinic.data)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"range\n"
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait(30) == 0


def test_the_numbers_equal_what_plain_duckdb_says(lake: SmallLake, run: Run) -> None:
    lake.add([span(number, cost="0.000000000001", request_model=f"m{number % 3}") for number in range(1, 100)])
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"SELECT request_model, sum(cost_usd) FROM read_parquet('{lake.data}/spans/date=*/*.parquet') GROUP BY 1"
        ).fetchall()
    printed = run("cost", "--format", "json").json
    assert {row["model"]: Decimal(row["cost_usd"]) for row in printed} == dict(rows)


def as_shell(line: str, lake: SmallLake) -> subprocess.CompletedProcess[str]:
    """A command line as a user types it, `otel-llm` being ours."""
    script = line.replace("otel-llm", shlex.join([sys.executable, "-m", "otel_llm.cli"]))
    env = os.environ | {"OTEL_LLM_DATA": str(lake.data)}
    return subprocess.run(["bash", "-c", script], env=env, timeout=30, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("line", "code", "err"),
    [
        ("otel-llm cost >/dev/full", 1, "otel-llm cost: cannot write the answer: No space left on device\n"),
        ("otel-llm trace last >/dev/full", 1, "otel-llm trace: cannot write the answer: No space left on device\n"),
        (
            "otel-llm sql 'FROM range(1000000)' --format parquet >/dev/full",
            1,
            "otel-llm sql: cannot write the answer: No space left on device\n",
        ),
        ("otel-llm cost --help >/dev/full", 1, "otel-llm cost: No space left on device\n"),
        ("otel-llm --help >/dev/full", 1, "otel-llm: No space left on device\n"),
        ("otel-llm cost >&-", 1, "otel-llm cost: cannot write the answer: stdout is closed\n"),
        ("otel-llm --version >&-", 1, "otel-llm: stdout is closed\n"),
        ("otel-llm cost --by nope 2>&-", 2, ""),
        ("otel-llm cost --by nope 2>/dev/full", 2, ""),
        ("set -o pipefail; otel-llm sql 'FROM range(1000000)' --format csv | head -1", 0, ""),
    ],
)
def test_an_answer_that_cannot_be_written_is_one_line(clinic: SmallLake, line: str, code: int, err: str) -> None:
    ran = as_shell(line, clinic)
    assert (ran.returncode, ran.stderr) == (code, err)
    assert len(ran.stdout.splitlines()) <= 1


@pytest.mark.parametrize("position", [0, -1])
@pytest.mark.parametrize("argv", [("sql", "FROM spans"), ("cost",), ("latency",), ("trace", "last")])
def test_a_file_that_is_gone_is_named_with_a_cure(
    clinic: SmallLake, run: Run, argv: tuple[str, ...], position: int
) -> None:
    gone = clinic.data / "spans" / clinic.files[position]
    gone.unlink()
    ran = run(*argv)
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert f"a file of the lake is missing: {gone};" in ran.err
    cure = ran.err[ran.err.index("python -c") :].replace("python", sys.executable, 1)
    subprocess.run(cure, shell=True, check=True, timeout=30, stdout=subprocess.DEVNULL)
    assert run(*argv).code == 0


def test_a_damaged_file_is_one_line(clinic: SmallLake, run: Run) -> None:
    for path in clinic.files:
        (clinic.data / "spans" / path).write_bytes(b"not Parquet")
    for argv in (("sql", "FROM spans"), ("cost",), ("trace", "last")):
        ran = run(*argv)
        assert (ran.code, ran.err.count("\n")) == (1, 1)
        assert "part-0.parquet" in ran.err


@pytest.mark.parametrize(
    "error",
    [duckdb.IOException("a\nb"), DeltaError("a\nb"), PermissionError(13, "a b", "file"), pa.ArrowInvalid("a b")],
)
def test_errors_of_what_lies_below_are_one_line(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        raise error

    assert commandline.run("x", command, []) == 1
    assert capsys.readouterr().err in ("otel-llm x: a b\n", "otel-llm x: file: a b\n")


def test_our_own_mistakes_keep_their_traceback() -> None:
    def command() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        commandline.run("x", command, [])


@pytest.mark.parametrize("name", ["a%20b", "50%25", "a\nb", "a\tb", "a\\b", "\x7f", "\udcff"])
@pytest.mark.parametrize("command", [questions.cost, cli.sql, supervisor.command], ids=["cost", "sql", "collector"])
def test_a_place_that_delta_cannot_name_is_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: Callable[[list[str]], int], name: str
) -> None:
    argv = ["SELECT 1"] if command is cli.sql else []
    assert command([*argv, "--data", str(tmp_path / name)]) == 2
    err = capsys.readouterr().err
    assert "cannot be used, its path holds" in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_link_to_such_a_place_is_wrong_usage_too(tmp_path: Path) -> None:
    (tmp_path / "a%20b").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a%20b")
    with pytest.raises(UsageError, match="URL escape"):
        check_data_dir(tmp_path / "link")
    assert check_data_dir(tmp_path / "100% sure") == tmp_path / "100% sure"


def test_a_folder_that_readers_take_for_a_column_is_wrong_usage() -> None:
    for place in ("/data/tenant=north/x", "/data/Date=2026-01-01", "s3://b/model=x"):
        with pytest.raises(UsageError, match=r"readers of Parquet take .*for a column"):
            data_dir(place)
    assert data_dir("/data/env=prod") == Path("/data/env=prod")


@pytest.mark.parametrize("rest", ["a b", "ü", "a%20b", "a?b", "a#b", "a+b"])
def test_an_address_is_what_all_libraries_spell_alike(rest: str) -> None:
    with pytest.raises(UsageError, match="libraries differ"):
        data_dir(f"s3://bucket/{rest}")
    assert check_address("abfss://box@account.example/env=prod/x-1_2/") == "abfss://box@account.example/env=prod/x-1_2"


def test_where_cannot_lift_since(clinic: SmallLake, run: Run) -> None:
    ran = run("cost", "--since", "2027-01-01", "--where", "1=1) or (1=1")
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    ran = run("cost", "--since", "2027-01-01", "--where", "1=1 or 1=1", "--format", "json")
    assert (ran.code, ran.json) == (0, [])


def test_the_demo_names_the_command_as_it_can_be_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from otel_llm_collector.demo import report

    folder = tmp_path / ".venv" / "bin"
    folder.mkdir(parents=True)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert report.program() == f"{folder}/python -m otel_llm.cli"
    (folder / "otel-llm").write_text("#!/bin/sh")
    (folder / "otel-llm").chmod(0o755)
    assert report.program() == ".venv/bin/otel-llm"
    monkeypatch.chdir("/")
    assert report.program() == str(folder / "otel-llm").removeprefix("/")
    monkeypatch.setenv("PATH", str(folder))
    assert report.program() == "otel-llm"


def test_prices_check_lists_what_has_no_price(lake: SmallLake, run: Run) -> None:
    unknown = {"provider": "vllm", "response_model": "clinic-7b", "cost_status": "unknown_model", "input_tokens": 100}
    lake.add(
        [
            span(1, cost="0.5", provider="openai", response_model="gpt-4o-mini"),
            span(2, cost=None, **unknown, output_tokens=7),
            span(3, cost=None, **unknown),
            span(4, cost=None, provider="openai", response_model="gpt-4o", cost_status="missing_usage"),
            span(5, provider="openai", response_model="no call"),
        ]
    )
    found = run("prices check", "--format", "json").json
    told = [(row["model"], row["reason"], row["calls"], row["input_tokens"], row["output_tokens"]) for row in found]
    assert told == [("clinic-7b", "unknown_model", 2, 200, 7), ("gpt-4o", "missing_usage", 1, None, None)]
    assert "clinic-7b" in run("prices check").out
    assert run("prices check", "--where", "provider = 'groq'").err == "no calls match\n"


@pytest.mark.parametrize(
    ("text", "said"), [("[[contract]]\nmodel = 7\n", ":1: a contract has"), (None, "No such file")]
)
def test_a_collector_does_not_start_with_contracts_that_cannot_be_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, said: str
) -> None:
    path = tmp_path / "contracts.toml"
    if text is not None:
        path.write_text(text)
    assert supervisor.command(["--data", str(tmp_path / "data"), "--contracts", str(path)]) == UsageError.exit_code
    assert f"{path}" in (error := capsys.readouterr().err)
    assert said in error
