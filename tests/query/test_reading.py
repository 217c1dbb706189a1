"""`otel_llm_collector.open`: the same answers from a directory and from a collector, and as tables of others."""

from __future__ import annotations

import ast
import builtins
import datetime as dt
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from rig import otlp
from rig.processes import collector, wait_for

import otel_llm_collector
from otel_llm.errors import NoDataError, OtelLlmError, UsageError
from otel_llm_collector import reading
from otel_llm_collector.query import named

from .conftest import SmallLake

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/python.md").read_text()
QUERY = "SELECT model, cost_usd, input_tokens, properties FROM llm_calls ORDER BY start_time, span_id"


@pytest.fixture
def clinic_lake(clinic: SmallLake) -> reading.Lake:
    return otel_llm_collector.open(clinic.data)


class Place:
    """A collector with a trace of two calls, its directory, and its address."""

    def __init__(self, data: Path, url: str) -> None:
        self.data, self.url = data, url


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("reader")
    with collector(folder / "otel-llm-data", "--sql-seconds-max", "300", "--sql-niceness", "0") as running:
        trace_id = b"t" * 16
        spans = [otlp.span(otlp.chat() | {"user.id": user}, trace_id=trace_id) for user in ("ada", "bob")]
        assert otlp.post(running.traces_url, otlp.request(*spans).SerializeToString()).status == 200
        url = f"http://{running.http}"
        lake = otel_llm_collector.open(running.data)
        wait_for(lambda: has_calls(lake), 60)
        yield Place(running.data, url)


def has_calls(lake: reading.Lake) -> bool:
    try:
        return len(lake.sql("FROM llm_calls")) == 2
    except NoDataError:
        return False


def test_importing_it_brings_nothing_heavy() -> None:
    heavy = "{'duckdb', 'pyarrow', 'deltalake', 'pandas', 'polars', 'typer', 'urllib3'}"
    code = f"import sys, otel_llm_collector; print(sorted({heavy} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_a_directory_answers_as_the_commands_do(clinic_lake: reading.Lake) -> None:
    spent = clinic_lake.cost(by=("user", "model"), since=dt.date(2026, 11, 2), where="provider = 'anthropic'")
    assert [(row["user"], row["cost_usd"]) for row in spent] == [("ada", Decimal("1.25"))]
    assert spent.total is not None
    assert spent.total["cost_usd"] == Decimal("1.25")
    assert clinic_lake.cost("user").arrow().equals(clinic_lake.ask("cost", by="user").arrow())
    assert [row["name"] for row in clinic_lake.trace(f"{1:032x}")] == ["intake", "chat gpt-4o-mini", "chat claude"]
    assert clinic_lake.unpriced().rows()[0]["reason"] == "missing_usage"
    found = clinic_lake.sql("SELECT count(*) AS n FROM llm_calls WHERE cost_usd > $least", least=Decimal("0.4"))
    assert found.rows() == [{"n": 2}]


def test_every_question_is_a_method_that_says_what_it_takes() -> None:
    import inspect

    for name in named.NAMED:
        method = getattr(reading.Lake, name)
        assert method.__doc__
        taken = list(inspect.signature(method).parameters)
        assert taken == ["self", *named.signature(name).parameters]
    taken = list(inspect.signature(reading.Lake.cost).parameters)
    assert taken == ["self", "by", "exact", "since", "until", "where", "limit"]


def test_a_limit_shortens_the_rows_alone(clinic_lake: reading.Lake) -> None:
    whole, first = clinic_lake.cost(exact=True), clinic_lake.cost(exact=True, limit=1)
    assert (first.rows(), first.total) == (whole.rows()[:1], whole.total)
    assert len(clinic_lake.latency(by="user", exact=True, limit=0)) == len(clinic_lake.latency(by="user"))
    assert len(clinic_lake.change(since="2026-11-03", limit=1)) == 1
    for wrong in (-1, "3", True):
        with pytest.raises(UsageError, match="give a number of rows, 0 for all"):
            clinic_lake.users(limit=wrong)


@pytest.mark.parametrize(
    ("question", "given", "said"),
    [
        ("cost", {"by": 5}, "by 5: give names"),
        ("cost", {"by": ["model", 5]}, "give names"),
        ("cost", {"since": 7}, "since 7: give a text"),
        ("cost", {"where": True}, "where True: give a text"),
        ("cost", {"exact": "yes"}, "exact 'yes': give true or false"),
        ("anomalies", {"calls_min": 0}, "calls_min 0: give a number of calls, 1 or more"),
        ("forecast", {"replace": [5]}, "give OLD=NEW"),
        ("trace", {"trace_id": 5}, "trace_id 5: give a text"),
        ("trace", {"trace_id": None}, "missing a required argument: 'trace_id'"),
        ("change", {"since": None}, "missing a required argument: 'since'"),
    ],
)
def test_an_argument_of_another_kind_is_wrong_usage(
    clinic_lake: reading.Lake, question: str, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        clinic_lake.ask(question, **given)


def test_what_arguments_take_is_known_of_each() -> None:
    named_there = {one for name in named.NAMED for one in named.signature(name).parameters}
    assert named_there == named._TAKEN.keys()


def test_an_answer_becomes_what_others_work_with(clinic_lake: reading.Lake) -> None:
    answer = clinic_lake.sql(QUERY)
    costs = [Decimal("0.000150000001"), Decimal("1.250000000000"), None, Decimal("0.500000000000")]
    assert isinstance(answer.arrow(), pa.Table)
    frame = answer.pandas()
    assert list(frame["cost_usd"].dropna()) == [cost for cost in costs if cost is not None]
    assert str(frame["input_tokens"].dtype).startswith("int")
    assert frame["input_tokens"].isna().sum() == 1
    polars = answer.polars()
    assert polars["cost_usd"].to_list() == costs
    assert polars["cost_usd"].dtype == pl.Decimal(18, 12)
    assert answer.relation().filter("model = 'claude-sonnet-4-5'").fetchall()[0][1] == costs[1]
    with duckdb.connect() as own:
        assert answer.relation(own).aggregate("sum(cost_usd)").fetchall() == [(Decimal("1.750150000001"),)]
    assert [row["cost_usd"] for row in answer] == costs
    assert len(answer) == 4


def test_an_answer_shows_itself(clinic_lake: reading.Lake) -> None:
    spent = clinic_lake.cost(by="user")
    assert "total" in repr(spent)
    assert "has no cost and is not in the sums" in repr(spent)
    shown = clinic_lake.sql("SELECT '<b>' AS sign, range AS n FROM range(60)")
    assert "the first 50 of 60 rows" in repr(shown)
    assert shown._repr_html_().startswith(
        "<table><tr><th>sign</th><th>n</th></tr><tr><td>&lt;b&gt;</td><td>0</td></tr>"
    )


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_a_package_that_is_missing_is_named(
    clinic_lake: reading.Lake, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.partition(".")[0] == package:
            raise ModuleNotFoundError(name)
        return real(name, *rest, **more)

    answer = clinic_lake.cost()
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(OtelLlmError, match=f"pip install {package}"):
        getattr(answer, package)()


def test_a_collector_answers_as_its_directory_does(place: Place) -> None:
    here = otel_llm_collector.open(place.data)
    with otel_llm_collector.open(place.url) as there:
        for name in named.NAMED:
            arguments = {"trace": {"trace_id": "last"}, "change": {"since": "7d"}}.get(name, {})
            ours, theirs = outcome(here, name, arguments), outcome(there, name, arguments)
            assert ours == theirs
        ours, theirs = here.cost(by=["user", "model"]), there.cost(by=["user", "model"])
        assert theirs.arrow().equals(ours.arrow())
        assert (theirs.total, theirs.notes) == (ours.total, ours.notes)
        assert there.sql(QUERY).arrow().equals(here.sql(QUERY).arrow())
        count = there.sql(
            "SELECT count(*) AS n FROM llm_calls WHERE user_id = $who AND cost_usd < $most", who="ada", most=Decimal(1)
        )
        assert count.rows() == [{"n": 1}]


def outcome(lake: reading.Lake, name: str, arguments: dict[str, Any]) -> Any:
    """The columns and the number of rows of an answer, or the error: some figures are of the moment."""
    try:
        answer = lake.ask(name, **arguments)
    except UsageError as error:
        return str(error)
    return answer.arrow().schema, len(answer)


def test_what_goes_wrong_is_the_same_error_from_both(place: Place, tmp_path: Path) -> None:
    for lake in (otel_llm_collector.open(place.data), otel_llm_collector.open(place.url)):
        with pytest.raises(UsageError, match='Did you mean "user'):
            lake.cost(by="usre")
        with pytest.raises(UsageError, match="only reading statements"):
            lake.sql("COPY spans TO 'x'")
    with pytest.raises(UsageError, match="its arguments are by, exact, since, until, where, limit"):
        otel_llm_collector.open(place.data).cost(bye="user")
    with pytest.raises(UsageError, match="There are: "):
        otel_llm_collector.open(place.data).ask("costs")
    with pytest.raises(NoDataError, match="no lake in"):
        otel_llm_collector.open(tmp_path).cost()
    with pytest.raises(OtelLlmError, match="is the collector running there"):
        otel_llm_collector.open("http://127.0.0.1:1").cost()
    with pytest.raises(OtelLlmError, match="is this the HTTP port of a collector"):
        otel_llm_collector.open(place.url + "/elsewhere").cost()
    with pytest.raises(UsageError, match="a token is for a collector"):
        otel_llm_collector.open(tmp_path, token="t")


@pytest.mark.parametrize("program", re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
def test_every_program_of_the_page_runs(place: Place, program: str) -> None:
    there = program.replace("http://127.0.0.1:4318", place.url)
    ran = subprocess.run(
        [sys.executable, "-c", there], check=False, cwd=place.data.parent, capture_output=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr


def test_the_notebook_runs(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cells one after the other, as a notebook runs them: what the last line of each is worth is shown."""
    monkeypatch.setenv("OTEL_LLM_DATA", str(place.data))
    notebook = json.loads((ROOT / "examples/costs.ipynb").read_text())
    shown, names = [], {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [], "it is stored without its outputs"
            shown.append(run_cell("".join(cell["source"]), names))
    assert shown[0].rows()[0]["cost_usd"] == Decimal("0.00027")
    assert isinstance(shown[0]._repr_html_(), str)
    assert shown[2]["calls"].to_list() == [2]
    assert shown[3]["subtree_cost_usd"].sum() == Decimal("0.00054")
    assert [row["user_id"] for row in shown[4]] == ["ada", "bob"]
    assert shown[5] == [("gpt-4o-mini-2024-07-18", pytest.approx(1.35))]


def run_cell(source: str, names: dict[str, Any]) -> Any:
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names) if isinstance(last, ast.Expr) else None
