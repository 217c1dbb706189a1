"""`otel-llm prices`: the list as it is used, a call's components, another list in its place."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from otel_llm.cli import main
from otel_llm_semconv.pricing import quote, source

#: A list of one provider with one model, in the format of genai-prices.
LISTED: Any = [
    {
        "id": "openai",
        "name": "OpenAI",
        "api_pattern": "https://api\\.openai\\.com",
        "models": [
            {
                "id": "gpt-4o-mini",
                "match": {"starts_with": "gpt-4o-mini"},
                "prices": {"input_mtok": 0.2, "output_mtok": {"base": 0.6, "tiers": [{"start": 1000, "price": 1.2}]}},
            }
        ],
    }
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Where the user's list goes, with nothing there yet; nothing of it is remembered afterwards."""
    path = tmp_path / "etc" / "prices.json"
    monkeypatch.setenv(source.PRICES_ENV, str(path))
    forget()
    yield path
    monkeypatch.undo()
    forget()


def forget() -> None:
    source._in_place.cache_clear()
    quote.forget()


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "data.json"
    path.write_text(json.dumps(LISTED))
    return path


def prices(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert main(["prices", *words]) == code
    captured = capsys.readouterr()
    return captured.err if code else captured.out


def rows(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(prices(capsys, *words, "--format", "json"))
    assert list(csv.DictReader(io.StringIO(prices(capsys, *words, "--format", "csv")))) == [
        {name: "" if value is None else str(value) for name, value in row.items()} for row in found
    ]
    return found


def test_the_worked_example(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["cost", "--provider", "openai", "--model", "gpt-4o-mini", "--input", "500", "--output", "300"]
    (row,) = rows(capsys, *words)
    assert (row["cost_usd"], row["cost_input_usd"], row["status"]) == ("0.000255000000", "0.000075000000", "exact")
    assert row["source"].startswith("genai-prices-")
    assert "cost_usd         0.000255000000\nstatus           exact" in prices(capsys, *words)


@pytest.mark.parametrize(
    ("words", "cost", "status"),
    [
        (
            "--cache-read 100 --batch --at 2026-05-05",
            "0.000078750000",
            "exact",
        ),  # half of 400*0.15 + 100*0.075 + 150*0.6
        ("--service-tier priority --at 2026-05-05", "0.000165000000", "assumed_tier"),
        ("--web-searches 2", "0.020165000000", "exact"),
        ("--cache-read 5000", None, "inconsistent_usage"),
    ],
)
def test_modes_parts_and_moments(
    place: Path, capsys: pytest.CaptureFixture[str], words: str, cost: str | None, status: str
) -> None:
    asked = ["cost", "--provider", "openai", "--model", "gpt-4o-mini", "--input", "500", "--output", "150"]
    (row,) = rows(capsys, *asked, *words.split())
    assert (row["cost_usd"], row["status"]) == (cost, status)


def test_more_than_a_row_can_hold_is_said(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["prices", "cost", "--provider", "openai", "--model", "gpt-4o-mini", "--format", "json", "--input"]
    for tokens, cost, is_said in (
        (6_666_660_000_000, "999999.000000000000", False),
        (6_666_660_000_001, "999999.000000150000", True),
    ):
        assert main([*asked, str(tokens)]) == 0
        captured = capsys.readouterr()
        assert json.loads(captured.out)[0]["cost_usd"] == cost
        assert ("more than 999,999 USD" in captured.err) == is_said


def test_a_contract_is_asked_first(place: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    contracts = tmp_path / "contracts.toml"
    contracts.write_text('[[contract]]\nname = "ward"\nproperty = { ward = "3" }\nprices = { requests_kcount = "5" }\n')
    asked = ["cost", "--provider", "openai", "--model", "gpt-4o-mini", "--input", "500", "--output", "300"]
    asked += ["--contracts", str(contracts), "--requests", "4"]
    (row,) = rows(capsys, *asked, "--property", "ward=3")
    assert (row["cost_request_usd"], row["cost_usd"]) == ("0.020000000000", "0.020255000000")
    assert row["source"].endswith("+ward")
    (row,) = rows(capsys, *asked, "--property", "ward=4")
    assert row["cost_usd"] == "0.000255000000"
    contracts.write_text('[[contract]]\nprize = "1"\n')
    assert f"{contracts}:2: unknown key 'prize'" in prices(capsys, *asked, code=1)


def test_what_is_charged_for_a_model(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = rows(capsys, "show", "claude-sonnet-4-5", "--provider", "anthropic")
    tiered = [(row["usd"], row["above_input_tokens"]) for row in shown if row["price"] == "input_mtok"]
    assert tiered == [("3", None), ("6", 200_000)]
    assert {row["tier"] for row in shown} == {"standard"}
    assert {row["provider"] for row in rows(capsys, "show", "gpt-4o-mini")} >= {"azure", "openai"}
    assumed = rows(capsys, "show", "grok-4", "--provider", "x_ai")[-1]
    assert (assumed["price"], assumed["usd"], assumed["above_input_tokens"]) == ("assumed_tier", None, 128_000)
    assert "no price of 'nobody'" in prices(capsys, "show", "nobody", code=1)


def test_the_list_is_the_one_in_use(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deepseek = {row["model"]: row for row in rows(capsys, "list", "--provider", "deepseek", "--at", "2026-11-01T02:00")}
    assert deepseek["deepseek-chat"]["input_mtok"] == "0.28"  # corrected
    assert deepseek["deepseek-v4-flash"]["output_mtok"] == "0.6"  # a Sunday
    assert "no provider 'nobody'" in prices(capsys, "list", "--provider", "nobody", code=1)


def test_another_list_is_put_in_place_and_used(place: Path, listed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = prices(capsys, "update", "--file", str(listed))
    assert str(place) in said
    forget()
    asked = ["cost", "--provider", "openai", "--model", "gpt-4o-mini", "--input", "500", "--output", "300"]
    (row,) = rows(capsys, *asked)
    assert (row["cost_usd"], row["source"].split("-")[0]) == ("0.000280000000", "prices")
    changed = rows(capsys, "diff", "bundled", str(place))
    mini = {row["price"]: (row["before"], row["after"]) for row in changed if row["model"] == "gpt-4o-mini"}
    assert mini["input_mtok"] == ("0.15", "0.2")
    assert mini["output_mtok"] == ("0.6", "0.6 >1000: 1.2")
    assert mini["cache_read_mtok"] == ("0.075", None)
    assert rows(capsys, "diff", str(place), str(listed)) == []


def test_a_list_that_is_none_is_refused_and_what_is_there_stays(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = json.dumps(LISTED).replace("0.6", "-0.6")
    for text in ("{", "{}", "[]", '[{"id": 7}]', odd):
        (tmp_path / "data.json").write_text(text)
        assert f"{tmp_path / 'data.json'}: " in prices(capsys, "update", "--file", str(tmp_path / "data.json"), code=1)
    said = prices(capsys, "update", "--file", str(tmp_path / "data.json"), code=1)
    assert "openai gpt-4o-mini: output_mtok is -0.6; a price is 0 or more" in said
    assert not place.exists()
    assert prices(capsys, "update", "--file", str(tmp_path / "none.json"), code=1)


def test_a_broken_file_is_warned_of_and_costs_no_price(
    place: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    place.parent.mkdir()
    place.write_text("[")
    asked = ["cost", "--provider", "openai", "--model", "gpt-4o-mini", "--input", "500", "--output", "300"]
    (row,) = rows(capsys, *asked)
    assert row["cost_usd"] == "0.000255000000"
    assert [record.message for record in caplog.records if "the bundled prices are used" in record.message]


def test_a_stale_list_is_warned_of(place: Path, listed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place.parent.mkdir()
    place.write_bytes(listed.read_bytes())  # knows of no date at all
    assert main(["prices", "show", "gpt-4o-mini"]) == 0
    assert "prices update --file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", ["", "cost", "cost --provider openai --model m --input -5", "list --at soon", "rates", "show", "update"]
)
def test_wrong_usage_is_one_line(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = prices(capsys, *words.split(), code=2)
    assert said.count("\n") == 1
    assert "--help" in said
