"""The fixtures of tests/app for real SDKs, and the record of what was seen working."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from app.conftest import _quiet_environment, capturing, recorded, standin
from app.recording import Recorded
from sdks.outcomes import Outcomes

import otel_llm
from otel_llm_collector.demo.standin import Fault, Standin

pytest.register_assert_rewrite("sdks.agreement", "sdks.harmless", "sdks.visits", "sdks.ward")
__all__ = ["_quiet_environment", "capturing", "recorded", "standin"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--outcomes", type=Path, help="write what each SDK was seen doing to this JSON file")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "sdk(distribution): the package that a test exercises")
    config.addinivalue_line("markers", "feature(name, ...): what it exercises of it")
    config.pluginmanager.register(Outcomes(config.getoption("--outcomes")))


@pytest.fixture
def recorded_as() -> Iterator[Callable[[str], Recorded]]:
    """Instruments, once it is called, with 127.0.0.1 a host of the provider named: its SDK's own host stands for it."""
    yield lambda provider: Recorded(hosts={"127.0.0.1": provider})
    otel_llm.uninstrument()


@pytest.fixture
def refusing() -> Iterator[Standin]:
    """A stand-in that refuses the first two requests with 429."""
    with Standin(faults=[Fault("429", times=2)], retry_after_s=0) as server:
        yield server
