"""Contracts: the first that matches is the price, whatever is wrong in the file is found with its line."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from otel_llm_semconv.pricing import price_call
from otel_llm_semconv.pricing.contracts import BadContractsError, Contracts, read
from otel_llm_semconv.usage import Usage

AT = datetime(2026, 5, 5, tzinfo=UTC)
TOML = """\
[[contract]]
name = "cardiology"
provider = "openai"
model = "gpt-4o*"
endpoint = "*.clinic.example"
property = { department = "cardiology" }
multiplier = 0

[[contract]]
name = "spring"
provider = "azure.ai.openai"
since = 2026-04-01
until = 2026-06-01
multiplier = "0.88"

[[contract]]
name = "own"
model = "clinic-*"
prices = { input_mtok = "0.10", requests_kcount = "2" }
"""
YAML = """\
contract:
  - name: cardiology
    provider: openai
    model: gpt-4o*
    endpoint: "*.clinic.example"
    property: {department: cardiology}
    multiplier: 0
  - name: spring
    provider: azure.ai.openai
    since: 2026-04-01
    until: 2026-06-01
    multiplier: "0.88"
  - name: own
    model: clinic-*
    prices: {input_mtok: "0.10", requests_kcount: "2"}
"""


@pytest.fixture(params=["toml", "yaml"])
def contracts(request: pytest.FixtureRequest, tmp_path: Path) -> Contracts:
    path = tmp_path / f"contracts.{request.param}"
    path.write_text(TOML if request.param == "toml" else YAML)
    return read(path)


def test_the_first_that_matches_is_the_price(contracts: Contracts) -> None:
    def name(provider: str, model: str, at: datetime = AT, endpoint: str = "", **properties: str) -> str | None:
        found = contracts.find(provider, (None, model), at, endpoint, properties)
        return found and found.name

    assert name("openai", "GPT-4o-mini", endpoint="llm.clinic.example", department="cardiology") == "cardiology"
    assert name("openai", "gpt-4o-mini", endpoint="llm.clinic.example", department="oncology") is None
    assert name("openai", "gpt-4o-mini", endpoint="api.openai.com", department="cardiology") is None
    assert name("azure", "gpt-4o") == "spring"  # by any of the provider's names
    assert name("azure", "gpt-4o", datetime(2026, 4, 1, tzinfo=UTC)) == "spring"
    assert name("azure", "gpt-4o", datetime(2026, 6, 1, tzinfo=UTC)) is None
    assert name("vllm", "clinic-7b") == "own"
    assert name("litellm", "azure/gpt-4o") == "spring"  # whoever sells it, where a proxy names itself
    assert name("strands-agents", "us.anthropic.claude-3-haiku-20240307-v1:0") is None


def test_what_a_contract_costs(contracts: Contracts) -> None:
    free, spring, own = contracts.rows
    usage = Usage(1000, 100, cache_read_tokens=400, web_searches=1)
    listed = price_call("openai", ("gpt-4o-mini",), usage, AT)
    assert listed.components["web_search"] == Decimal("0.01")
    nothing = price_call("openai", ("gpt-4o-mini",), usage, AT, contract=free)
    assert (nothing.amount, nothing.status) == (Decimal("0.01"), "exact")  # what is no token stays as listed
    less = price_call("openai", ("gpt-4o-mini",), usage, AT, contract=spring)
    assert less.components["input"] == listed.components["input"] * Decimal("0.88")
    assert less.version == f"{listed.version}+spring"
    read = Usage(1000, 0, cache_read_tokens=400)
    unlisted = price_call("vllm", ("clinic-7b",), read, AT, contract=own)
    # cached input has the price of input: 600 + 400 at 0.10 a million, and 2 a thousand requests
    assert unlisted.amount == Decimal("0.0021")


def test_a_contract_that_prices_a_part_of_the_call_is_no_price_of_it(contracts: Contracts) -> None:
    own = contracts.rows[-1]
    for used in (Usage(1000, 1), Usage(1000, 0, web_searches=1)):
        found = price_call("vllm", ("clinic-7b",), used, AT, contract=own)
        assert (found.amount, found.status) == (None, "unknown_model")
    listed = price_call("openai", ("gpt-4o-mini",), Usage(1000, 100), AT, contract=own)  # the rest is as listed
    assert listed.components["output"] == Decimal("0.00006")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.toml", "[[contract]\n", ":1: "),
        ("a.toml", "# none\nx = 1\n", ":2: unknown key 'x'; nothing but a list named `contract`"),
        ("a.toml", '[[contract]]\nmultiplier = 1\n\n[deployments]\na = "b"\n', ":4: unknown key 'deployments'"),
        ("a.toml", "[[contracts]]\nmultiplier = 1\n", ":1: unknown key 'contracts'"),
        ("a.toml", "\n[contract]\nmultiplier = 1\n", ":2: `contract` is no list"),
        ("a.toml", "", ":1: nothing but a list named `contract`"),
        ("a.toml", "# nothing\n", ":1: nothing but a list named `contract`"),
        ("a.toml", '[[contract]]\nmultiplier = 1\nmodel = ""\n', ":3: model is a string that says something"),
        ("a.yaml", "contract:\n  - multiplier: 1\n    provider: ' '\n", ":3: provider is a string that says"),
        (
            "a.toml",
            '[[contract]]\nname = "a"\nmultiplier = 1\n[[contract]]\nmultiplier = 1\nname = "a"\n',
            ":6: a contract is named 'a' already, in line 1",
        ),
        ("a.yaml", "contract:\n  multiplier: 1\n", ":1: `contract` is no list"),
        ("a.yaml", "# none\ncontracts:\n  - multiplier: 1\n", ":2: unknown key 'contracts'"),
        ("a.toml", '[[contract]]\nmodel = "a"\n', ":1: a contract has a multiplier or prices"),
        ("a.toml", '[[contract]]\nmultiplier = 1\n[[contract]]\nmodle = "a"\n', ":4: unknown key 'modle'"),
        ("a.toml", '[[contract]]\nmodel = 7\nmultiplier = "1"\n', ":2: model is a string"),
        ("a.toml", '[[contract]]\nname="x"\nmultiplier = "-1"\n', ":3: multiplier is a number of at least 0"),
        ("a.toml", "[[contract]]\nmultiplier = true\n", ":2: multiplier is a number"),
        ("a.toml", '[[contract]]\nsince = "soon"\nmultiplier = 1\n', ":2: since is a date"),
        (
            "a.toml",
            "[[contract]]\nsince = 2026-02-01\nuntil = 2026-02-01\nmultiplier = 1\n",
            ":3: until is after since",
        ),
        ("a.toml", "[[contract]]\nproperty = { beds = 7 }\nmultiplier = 1\n", ":2: property is a table of strings"),
        ("a.toml", '[[contract]]\nprices = { input = "1" }\n', ":2: unknown price 'input'; there are cache_"),
        ("a.toml", '[[contract]]\n\n[contract.prices]\ninput_mtok = "much"\n', ":4: input_mtok is a number"),
        ("a.yaml", "contract: [\n", ":2: "),
        ("a.yaml", "contract: \x00\n", ": no YAML"),
        ("a.yaml", "contract: !!python/name:os.system\n", ":1: could not determine a constructor"),
        ("a.yaml", "- 1\n", "nothing but a list named `contract`"),
        ("a.yaml", "", "nothing but a list named `contract`"),
        ("a.yaml", "contract:\n  - since: 2026-02-30\n    multiplier: 1\n", ":2: since is a date"),
        ("a.toml", "[[contract]]\nsince = 2026-02-30\nmultiplier = 1\n", ":2: Invalid date"),
        ("a.yaml", "contract:\n  -\n    multiplier: 1\n  -\n    multiplier: -1\n", ":5: multiplier is a number"),
        ("a.yaml", "contract:\n-\n  multiplier: 1\n- prices:\n    input_mtok: x\n", ":5: input_mtok is a number"),
        ("a.yaml", "contract:\n  - multiplier: 1\n    multiplier: 2\n", ":3: multiplier is there twice"),
        ("a.yaml", "contract:\n  - &a\n    property: *a\n    multiplier: 1\n", "property is a table of strings"),
        ("a.toml", "[[contract]]\nmultiplier = 1\nmultiplier = 2\n", ":3: Cannot overwrite"),
        (
            "a.toml",
            '[[contract]]\nname = """\n[[contract]]\n- a\n"""\nmultiplier = 1\n[[contract]]\nmultiplier = "x"\n',
            ":8: multiplier is a number",
        ),
        (
            "a.toml",
            "[[contract]]\nmultiplier = 1e400\n",
            ":2: multiplier is a number of at least 0 and at most 1000000",
        ),
        ("a.yaml", "contract:\n  - multiplier: !!int x\n", ": no YAML: invalid literal"),
        ("a.yaml", 'contract:\n  - prices: {input_mtok: "1e400"}\n', ":2: input_mtok is a number of at least 0"),
        (
            "a.toml",
            '[[contract]]\nprovider = "opnai"\nprices = { input_mtok = 1 }\n',
            ":2: unknown provider 'opnai', did you mean 'openai'?",
        ),
        ("a.toml", '[[contract]]\nprovider = "clinic"\nmultiplier = 1\n', ":2: unknown provider 'clinic'; `otel-llm"),
        (
            "a.yaml",
            "contract:\n  - name: x\n    multiplier: 1\n  - nam: y\n    multiplier: 1\n",
            ":4: unknown key 'nam'",
        ),
        ("a.yaml", "contract:\n  - 7\n", ":2: a contract is a table of keys"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(BadContractsError) as error:
        read(path)
    assert message in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_provider_of_ones_own_has_prices_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text('[[contract]]\nprovider = "clinic"\nprices = { input_mtok = 1, output_mtok = 2 }\n')
    (row,) = read(path).rows
    assert price_call("clinic", ("own",), Usage(10, 5), AT, contract=row).amount == Decimal("0.00002")


def test_yaml_says_all_that_it_can(tmp_path: Path) -> None:
    """Merged keys, times, numbers with every digit."""
    path = tmp_path / "a.yaml"
    path.write_text(
        "contract:\n"
        "  - &first {provider: openai, since: 2026-01-01T12:30:00Z, multiplier: 0.5}\n"
        "  - {<<: *first, provider: anthropic}\n"
    )
    first, second = read(path).rows
    assert (first.provider, second.provider) == ("openai", "anthropic")
    assert first.since == second.since == datetime(2026, 1, 1, 12, 30, tzinfo=UTC)
    assert (second.multiplier, second.line) == (Decimal("0.5"), 3)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"[[contract]]\n# caf\xe9\nmultiplier = 1\n")
    with pytest.raises(BadContractsError, match=r"a\.toml:2: not UTF-8"):
        read(tmp_path / "a.toml")


def test_a_mark_that_the_text_is_utf_8_says_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbf[[contract]]\nmultiplier = 1\n")
    assert read(tmp_path / "a.toml").rows[0].multiplier == 1


def test_the_example_of_the_docs_is_one(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "prices.md").read_text()
    path = tmp_path / "contracts.toml"
    path.write_text(page.partition("```toml\n")[2].partition("```")[0])
    assert [row.name for row in read(path).rows] == ["volume discount", "own model"]


def test_prices_of_ones_own_leave_nothing_to_be_assumed(tmp_path: Path) -> None:
    path = tmp_path / "contracts.toml"
    path.write_text(
        '[[contract]]\nprices = { input_mtok = "1", output_mtok = "2" }\n[[contract]]\nmultiplier = "0.5"\n'
    )
    whole, share = read(path).rows
    long = Usage(300_000, 10)
    for contract, status in ((whole, "exact"), (share, "assumed_tier")):
        found = price_call("x_ai", ("grok-4",), long, AT, service_tier="flex", contract=contract)
        assert found.status == status
    heard = replace(long, audio_input_tokens=5)
    assert price_call("x_ai", ("grok-4",), heard, AT, contract=whole).status == "assumed_tier"
