"""The ledger: every target has a row, and one that is not there takes nothing else along."""

from __future__ import annotations

import importlib
import inspect
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
import wrapt

import otel_llm
from otel_llm import failures, patching
from otel_llm.patching import ledger, on_undo, patch, patch_path, undo, when_imported

LIBRARY = """
class Client:
    def send(self, text: str) -> str:
        "Sends."
        return text

    def receive(self) -> str:
        return "nothing"

class Special(Client):
    pass
"""
Made = Callable[[], str]


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Made]:
    """Makes the name of a module that nobody has imported; its `Client.send` answers what it is given."""
    monkeypatch.syspath_prepend(tmp_path)
    made: list[str] = []

    def make() -> str:
        name = f"lib_{tmp_path.name.replace('-', '_')}_{len(made)}"
        (tmp_path / f"{name}.py").write_text(LIBRARY)
        importlib.invalidate_caches()
        made.append(name)
        return name

    yield make
    undo()
    for name in made:
        sys.modules.pop(name, None)


@pytest.fixture
def counted() -> Iterator[None]:
    """Faults are counted, as in production."""
    failures.counts.clear()
    failures.raise_faults(False)
    yield
    failures.counts.clear()


@pytest.fixture
def raised() -> Iterator[None]:
    """Faults are raised, as in our tests."""
    failures.raise_faults(True)
    yield
    failures.raise_faults(False)
    failures.counts.clear()


def louder(send: Callable[..., str]) -> Callable[..., str]:
    return lambda *args, **kwargs: send(*args, **kwargs).upper()


def states() -> dict[str, str]:
    return {row.target: row.state for row in ledger()}


def test_a_hook_waits_for_its_module_and_is_attached_when_it_comes(library: Made) -> None:
    name = library()
    target = f"{name}:Client.send"
    patch_path(target, louder)
    assert name not in sys.modules
    assert states() == {target: "waiting"}
    client = importlib.import_module(name).Client
    assert states() == {target: "attached"}
    assert client().send("a") == "A"
    assert (client.send.__doc__, str(inspect.signature(client.send))) == ("Sends.", "(self, text: str) -> str")


def test_a_module_that_is_there_already_is_hooked_at_once(library: Made) -> None:
    name = library()
    importlib.import_module(name)
    patch_path(f"{name}:Client.send", louder)
    assert states() == {f"{name}:Client.send": "attached"}


@pytest.mark.parametrize("path", ["Client.gone", "Server.send", "Special.send"])
def test_what_a_version_does_not_have_is_missing_and_no_fault(library: Made, raised: None, path: str) -> None:
    name = library()
    patch_path(f"{name}:{path}", louder)
    patch_path(f"{name}:Client.send", louder)
    client = importlib.import_module(name).Client
    assert states() == {f"{name}:{path}": "missing", f"{name}:Client.send": "attached"}
    assert client().send("a") == "A"
    assert ledger()[0].error.startswith("AttributeError")
    assert not failures.counts


def test_one_missing_method_leaves_the_rest_of_a_modules_hook(library: Made, raised: None) -> None:
    name = library()

    def hook(module: ModuleType) -> None:
        patch(module.Client, "gone", louder)
        patch(module.Client, "send", louder)
        patch(module.Client, "receive", louder)

    when_imported(name, hook)
    assert importlib.import_module(name).Client().send("a") == "A"
    assert states() == {
        name: "attached",
        f"{name}:Client.gone": "missing",
        f"{name}:Client.send": "attached",
        f"{name}:Client.receive": "attached",
    }


def test_a_hook_that_asks_for_what_is_not_there_is_missing(library: Made, raised: None) -> None:
    first, second = library(), library()
    when_imported(first, lambda module: patch(module.Server, "send", louder))
    when_imported(second, lambda module: importlib.import_module(f"{second}.deeper"))
    importlib.import_module(first)
    importlib.import_module(second)
    assert states() == {first: "missing", second: "missing"}


def test_a_class_from_elsewhere_is_filed_under_the_module_whose_hook_runs(library: Made) -> None:
    inner, outer = library(), library()
    importlib.import_module(inner)
    when_imported(outer, lambda module: patch(sys.modules[inner].Client, "send", louder))
    importlib.import_module(outer)
    assert states() == {outer: "attached", f"{outer}:Client.send": "attached"}
    patch(sys.modules[inner].Client, "send", louder)
    assert ledger()[-1].target == f"{inner}:Client.send"


def broken(found: Any) -> Any:
    raise ZeroDivisionError("ours")


def ours_is_not_there(found: Any) -> Any:
    return patching.nothing_of_that_name  # type: ignore[attr-defined]


def no_module_of_ours(found: Any) -> Any:
    return importlib.import_module("otel_llm.frameworks.nothing_of_that_name")


def not_of_a_class(found: Any) -> Any:
    return [].nothing_of_that_name  # type: ignore[attr-defined]


@pytest.mark.parametrize("fault", [broken, ours_is_not_there, no_module_of_ours, not_of_a_class])
@pytest.mark.parametrize("kind", ["path", "module", "patch"])
def test_a_fault_of_ours_is_counted_and_the_next_hook_runs(
    library: Made, counted: None, caplog: pytest.LogCaptureFixture, fault: Any, kind: str
) -> None:
    name = library()
    target = name if kind == "module" else f"{name}:Client.send"
    if kind == "path":
        patch_path(target, fault)
    elif kind == "module":
        when_imported(name, fault)
    else:
        patch(importlib.import_module(name).Client, "send", fault)
    patch_path(f"{name}:Client.receive", louder)
    client = importlib.import_module(name).Client
    assert client().send("a") == "a"
    assert states() == {target: "failed", f"{name}:Client.receive": "attached"}
    assert sum(failures.counts.values()) == 1
    assert target in caplog.text


def test_a_fault_of_ours_is_raised_in_tests(library: Made, raised: None) -> None:
    name = library()
    patch_path(f"{name}:Client.send", broken)
    with pytest.raises(ZeroDivisionError):
        importlib.import_module(name)
    assert states() == {f"{name}:Client.send": "failed"}


def test_undo_restores_disarms_and_forgets(library: Made) -> None:
    there, waiting = library(), library()
    client = importlib.import_module(there).Client
    before = dict(client.__dict__)
    done: list[str] = []
    on_undo(lambda: done.append("first"))
    patch(client, "send", louder)
    patch(client, "receive", louder)
    patch_path(f"{waiting}:Client.send", louder)
    on_undo(lambda: done.append("last"))
    undo()
    assert {name: client.__dict__[name] for name in before} == before
    assert done == ["last", "first"]
    assert ledger() == []
    assert importlib.import_module(waiting).Client().send("a") == "a"
    assert ledger() == []


def test_rows_say_what_is_installed() -> None:
    rows = {row.target: row for row in (patching.Hook("httpx:Client.send"), patching.Hook("nothing_of_that_name"))}
    assert rows["httpx:Client.send"].distribution == ("httpx", httpx.__version__)
    assert rows["nothing_of_that_name"].distribution is None
    shared = patching.Hook("opentelemetry.sdk.trace:TracerProvider.__init__").distribution
    assert shared is not None
    assert shared[0] == "opentelemetry-sdk"


def test_each_hook_says_how_many_are_attached(library: Made, caplog: pytest.LogCaptureFixture) -> None:
    name = library()
    patch_path(f"{name}:Client.send", louder)
    patch_path(f"{name}:Client.gone", louder)
    with caplog.at_level(logging.DEBUG, "otel_llm"):
        importlib.import_module(name)
    said = [record.getMessage() for record in caplog.records]
    assert said[0] == f"{name}:Client.send: attached (attached: 1 hooks)"
    assert said[1].startswith(f"{name}:Client.gone: missing AttributeError: ")


def test_everything_attaches_to_the_versions_that_are_installed_here() -> None:
    """What is hooked and installed is imported: nothing is missing, and nothing waits for a module that has gone."""
    otel_llm.instrument(raise_errors=True)
    try:
        for row in ledger():
            if row.distribution:
                importlib.import_module(row.module)
        found = [row for row in ledger() if row.distribution and row.state != "attached"]
        assert found == []
        assert len(ledger()) > 10
    finally:
        otel_llm.uninstrument()


def test_what_another_library_has_wrapped_with_wrapt_knows_its_object_and_comes_back(library: Made) -> None:
    name = library()
    module = importlib.import_module(name)
    seen: list[tuple[Any, tuple[Any, ...]]] = []

    def theirs(function: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        seen.append((instance, args))
        return function(*args, **kwargs)

    wrapt.wrap_function_wrapper(module, "Client.send", theirs)
    before, client = vars(module.Client)["send"], module.Client()
    patch_path(f"{name}:Client.send", lambda send: lambda self, text: send(self, text) + "!")
    assert client.send("x") == "x!"
    assert seen == [(client, ("x",))]
    assert str(inspect.signature(client.send)) == "(text: str) -> str"
    undo()
    assert vars(module.Client)["send"] is before
    assert client.send("y") == "y"
    assert seen[1:] == [(client, ("y",))]
