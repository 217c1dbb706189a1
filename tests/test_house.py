"""The house rules: sizes, names, one place for each truth, registries that agree with what they list."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import tomllib
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("otel_llm", "semconv/otel_llm_semconv", "collector/otel_llm_collector")
CODE = (*PACKAGES, "tests", "examples", "benchmarks")
FUNCTION_LINES_MAX = 70
FUNCTION_LINES_MEDIAN_MAX = 12
FILE_LINES_MAX = 600
DRAWERS = {"utils.py", "helpers.py", "common.py", "misc.py", "util.py"}
ATTRIBUTES_PY = ROOT / "semconv/otel_llm_semconv/attributes.py"


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or 0) - node.lineno + 1


def strings(path: Path) -> Iterator[str]:
    """String constants that are not docstrings."""
    tree = ast.parse(path.read_text())
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


@pytest.mark.parametrize("path", python_files(*CODE), ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= FILE_LINES_MAX
    assert [(name, lines) for name, lines in functions(path) if lines > FUNCTION_LINES_MAX] == []
    assert path.name not in DRAWERS


def test_the_median_function_is_short() -> None:
    lengths = sorted(lines for path in python_files(*PACKAGES) for _, lines in functions(path))
    assert lengths[len(lengths) // 2] <= FUNCTION_LINES_MEDIAN_MAX


def test_attribute_names_are_spelled_in_one_file() -> None:
    """The tables of dialects spell what others send, but no name that we have a constant for."""
    spelled = re.compile(r"^(gen_ai|otel_llm|openai|anthropic\.usage)\.[a-z_.]+$")
    constants = set(strings(ATTRIBUTES_PY))
    found = {
        f"{path.relative_to(ROOT)}: {text}"
        for path in python_files(*PACKAGES)
        if path != ATTRIBUTES_PY and "demo" not in path.parts
        for text in strings(path)
        if spelled.match(text) and not is_module(text)
        if "dialects" not in path.parts or text in constants
    }
    assert found == {"otel_llm/cli.py: otel_llm.commands"}  # an entry-point group


def is_module(text: str) -> bool:
    return (ROOT / (text.replace(".", "/") + ".py")).exists()


def test_every_command_is_registered_loads_and_is_documented() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["otel_llm.commands"]
    installed = {point.name: point for point in entry_points(group="otel_llm.commands")}
    assert set(installed) == set(declared), "the environment is stale: run `make clean test`"
    assert all(callable(point.load()) for point in installed.values())
    documented = set(re.findall(r"^### `otel-llm ([a-z]+)", (ROOT / "docs/commands.md").read_text(), re.MULTILINE))
    assert documented == set(declared)


def test_the_reference_pages_say_what_the_code_says() -> None:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs/reference.py")
    assert spec is not None
    assert spec.loader is not None
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    assert reference.stale() == [], "run `make docs`"


def test_every_setting_is_documented_once() -> None:
    from otel_llm.settings import SETTINGS
    from otel_llm_collector.options import CONFIG_ENV, OPTIONS
    from otel_llm_collector.report.mail import PASSWORD_ENV

    page = (ROOT / "docs/settings.md").read_text()
    documented = re.findall(r"^\| `([A-Z_]+)` ", page, re.MULTILINE)
    assert sorted(documented) == sorted(set(documented))
    ours = {name for name in documented if name.startswith("OTEL_LLM_")}
    assert ours == {row.env for row in SETTINGS if row.env.startswith("OTEL_LLM_")}
    options = re.findall(r"^\| `[a-z_]+` \| .*? \| `([A-Z_]+)` ", page, re.MULTILINE)
    assert options == [row.env for row in OPTIONS]
    code = "\n".join(path.read_text() for path in python_files(*PACKAGES))
    assert PASSWORD_ENV in (ROOT / "docs/commands.md").read_text()  # a command's alone
    assert set(re.findall(r"\bOTEL_LLM_[A-Z_]+\b", code)) == {*ours, *options, CONFIG_ENV, PASSWORD_ENV}


def test_every_option_is_a_value_of_the_configuration() -> None:
    from dataclasses import fields

    from otel_llm_collector.options import OPTIONS, Config

    assert [row.name for row in OPTIONS] == [field.name for field in fields(Config)]


def test_the_first_commands_of_the_readme_are_targets() -> None:
    readme = (ROOT / "README.md").read_text()
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"^make ([a-z-]+)", readme, re.MULTILINE)
    assert named[:2] == ["demo", "test"]
    assert set(named) <= targets


def test_the_tree_names_no_place_it_was_made_in() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    files = listed.stdout.split() or [str(path) for path in python_files(*CODE)]
    words = re.compile(r"/" + r"work/|/" + r"farm/|/tmp/" + r"bash")
    texts = {name: (ROOT / name).read_text(errors="ignore") for name in files if (ROOT / name).is_file()}
    assert [name for name, text in texts.items() if words.search(text)] == []
