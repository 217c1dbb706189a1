"""Instrumentations of LLM calls that `app_sdks.py` compares: ours, and others in environments of their own.

`python benchmarks/peers.py --install` makes those environments below `.venvs/peers`. Each row says what to install, how
it is switched on and off, and which variables have it record content or not. Runs in every one of the environments.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any, Final, NamedTuple, TypeAlias

from app_blocks import Sink, sink_and_provider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

ENVIRONMENTS: Final = Path(__file__).parents[1] / ".venvs" / "peers"
#: In every environment: the SDKs, and the yardstick.
SHARED: Final = ("openai>=3", "anthropic>=1.14", "httpx2", "opentelemetry-sdk", "opentelemetry-instrumentation-httpx")
OURS: Final = "otel-llm"
PRICES_S_MAX: Final = 60.0
_GENAI_CONTENT: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
#: Where peers replace methods.
SDKS: Final = ("openai.resources", "anthropic.resources")
_Place: TypeAlias = tuple[type, str]
_ABSENT: Final = object()
_NOWHERE: Final = "http://127.0.0.1:9"


class Instrumentation(NamedTuple):
    """One that is set up, not yet on: where its spans go, how it is switched on, how to wait for what it does late."""

    sink: Sink
    provider: Any
    switched_on: Callable[[], AbstractContextManager[object]]
    settle: Callable[[], object]


def _instrumentors(*targets: str) -> Callable[[], Instrumentation]:
    """A peer that consists of OpenTelemetry instrumentors, given as `module:Class`."""

    def set_up() -> Instrumentation:
        sink, provider = sink_and_provider()

        def switch_on() -> None:
            for target in targets:
                module, _, name = target.partition(":")
                getattr(import_module(module), name)().instrument(tracer_provider=provider)

        return Instrumentation(sink, provider, _switch_of(switch_on), provider.force_flush)

    return set_up


def _otel_llm() -> Instrumentation:
    """Ours, with its price data loaded. It is switched on and off as an app does."""
    import otel_llm
    from otel_llm.finisher import finisher

    sink, provider = sink_and_provider()
    finisher.start()
    deadline = time.monotonic() + PRICES_S_MAX
    while not finisher.prices_ready and time.monotonic() < deadline:
        time.sleep(0.05)

    @contextmanager
    def switched_on() -> Iterator[None]:
        otel_llm.instrument(tracer_provider=provider)
        try:
            yield
        finally:
            otel_llm.uninstrument()

    return Instrumentation(sink, provider, switched_on, provider.force_flush)


def _logfire() -> Instrumentation:
    import anthropic
    import logfire
    import openai

    sink = Sink()
    quiet: dict[str, Any] = {"local": True, "send_to_logfire": False, "console": False, "metrics": False}
    local = logfire.configure(**quiet, additional_span_processors=[SimpleSpanProcessor(sink)])

    def switch_on() -> None:
        local.instrument_openai(openai.OpenAI)
        local.instrument_anthropic(anthropic.Anthropic)

    return Instrumentation(sink, local.config.get_tracer_provider(), _switch_of(switch_on), local.force_flush)


def _langfuse() -> Instrumentation:
    """It is on from its import; it knows openai only."""
    from langfuse import Langfuse

    sink, provider = Sink(), TracerProvider()
    keys = {"public_key": "pk-lf-none", "secret_key": "sk-lf-none", "base_url": _NOWHERE}
    client = Langfuse(**keys, span_exporter=sink, tracer_provider=provider)
    switch = _switch_of(lambda: import_module("langfuse.openai"))
    return Instrumentation(sink, provider, switch, client.flush)


def _switch_of(switch_on: Callable[[], object]) -> Callable[[], AbstractContextManager[None]]:
    """Switch a peer on once, note what it replaced in the SDKs, and from then on put that in place and back.

    Some peers cannot be switched off, or wrap what they wrapped before when they are switched on again.
    """
    owners = _classes()
    before = _contents(owners)
    switch_on()
    after = _contents(owners)
    changed = [
        place
        for place in before.keys() | after.keys()
        if before.get(place, _ABSENT) is not after.get(place, _ABSENT) and not place[1].startswith("__pydantic")
    ]
    assert changed, "the peer replaced nothing"

    def put(values: Mapping[_Place, Any]) -> None:
        for place in changed:
            owner, name = place
            if (value := values.get(place, _ABSENT)) is not _ABSENT:
                setattr(owner, name, value)
            else:
                delattr(owner, name)

    @contextmanager
    def switched_on() -> Iterator[None]:
        put(after)
        try:
            yield
        finally:
            put(before)

    put(before)
    return switched_on


def _classes() -> list[type]:
    """The classes of the SDKs."""
    for sdk in SDKS:  # which load their parts on first use
        for part in walk_packages(import_module(sdk).__path__, sdk + "."):
            import_module(part.name)
    roots = {sdk.partition(".")[0] for sdk in SDKS}
    modules = [module for name, module in sys.modules.items() if name.partition(".")[0] in roots]
    found = {value for module in modules for value in vars(module).values() if isinstance(value, type)}
    return [owner for owner in found if owner.__module__.partition(".")[0] in roots]


def _contents(owners: list[type]) -> dict[_Place, Any]:
    return {(owner, name): value for owner in owners for name, value in vars(owner).items()}


@dataclass(frozen=True, slots=True)
class Peer:
    """One row: packages from PyPI, how it is set up, and the environment of each content mode that it has."""

    name: str
    packages: tuple[str, ...]
    set_up: Callable[[], Instrumentation]
    content: Mapping[str, Mapping[str, str]]

    def python(self, folder: Path = ENVIRONMENTS) -> Path:
        """Its interpreter. Ours is the one that runs."""
        return Path(sys.executable) if self.name == OURS else folder / self.name / "bin" / "python"


PEERS: Final = (
    Peer(OURS, ("otel-llm",), _otel_llm, {"off": {_GENAI_CONTENT: "NO_CONTENT"}, "on": {_GENAI_CONTENT: "SPAN_ONLY"}}),
    Peer(
        "genai",
        ("opentelemetry-instrumentation-genai-openai", "opentelemetry-instrumentation-genai-anthropic"),
        _instrumentors(
            "opentelemetry.instrumentation.genai.openai:OpenAIInstrumentor",
            "opentelemetry.instrumentation.genai.anthropic:AnthropicInstrumentor",
        ),
        {"off": {_GENAI_CONTENT: "NO_CONTENT"}, "on": {_GENAI_CONTENT: "SPAN_ONLY"}},
    ),
    Peer("langfuse", ("langfuse",), _langfuse, {"on": {}}),
    Peer("logfire", ("logfire",), _logfire, {"on": {}}),
    Peer(
        "openinference",
        ("openinference-instrumentation-openai", "openinference-instrumentation-anthropic"),
        _instrumentors(
            "openinference.instrumentation.openai:OpenAIInstrumentor",
            "openinference.instrumentation.anthropic:AnthropicInstrumentor",
        ),
        {"off": {"OPENINFERENCE_HIDE_INPUTS": "true", "OPENINFERENCE_HIDE_OUTPUTS": "true"}, "on": {}},
    ),
    Peer(
        "openllmetry",
        ("opentelemetry-instrumentation-openai", "opentelemetry-instrumentation-anthropic"),
        _instrumentors(
            "opentelemetry.instrumentation.openai:OpenAIInstrumentor",
            "opentelemetry.instrumentation.anthropic:AnthropicInstrumentor",
        ),
        {"off": {"TRACELOOP_TRACE_CONTENT": "false"}, "on": {"TRACELOOP_TRACE_CONTENT": "true"}},
    ),
)


def install(peer: Peer, folder: Path) -> None:
    """Make the peer's environment, or bring it up to date. Raises CalledProcessError where pip fails."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".gitignore").write_text("*\n")
    environment = folder / peer.name
    if not environment.exists():
        venv.create(environment, with_pip=True)
    pip = (str(peer.python(folder)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade")
    subprocess.run([*pip, *SHARED, *peer.packages], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Install other instrumentations, to measure them beside ours")
    parser.add_argument("--install", action="store_true", help="install, or bring up to date")
    parser.add_argument("--folder", type=Path, default=ENVIRONMENTS, help="where the environments are")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these")
    chosen = parser.parse_args()
    for peer in PEERS:
        if peer.name == OURS or (chosen.names and peer.name not in chosen.names):
            continue
        if chosen.install:
            install(peer, chosen.folder)
        print(f"{peer.name:<15}{'installed' if peer.python(chosen.folder).exists() else 'not installed'}")


if __name__ == "__main__":
    main()
