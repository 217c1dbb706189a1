"""What holds for all tests."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import certifi
import psutil
import pytest

_FILES_OPEN_MANY: Final = 300
_FILES_OPEN_MAX: Final = 5000
_CERTIFICATE_END: Final = "-----END CERTIFICATE-----\n"


def pytest_xdist_auto_num_workers() -> int:
    """One more than cores: while a test waits for a process that it started, another has something to do."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_finish() -> None:
    """What is there by now stays until the end: no collection of garbage looks through it again, 0.4 s each time."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """The end of the process collects all that there is, and extension modules complain of what is left."""
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _leave_few_files_open() -> Iterator[None]:
    """What is open for nobody any more is closed once it is much; tests that leave thousands open say so."""
    yield
    if psutil.Process().num_fds() > _FILES_OPEN_MANY:
        gc.collect()
        assert psutil.Process().num_fds() < _FILES_OPEN_MAX


@pytest.fixture(scope="session", autouse=True)
def _heed_interrupts() -> Iterator[None]:
    """A shell's background job ignores SIGINT, and so would every process that the tests start and interrupt."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session", autouse=True)
def _trust_one_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Each client of httpx reads the file of all authorities, 17 ms of CPU: here it has one. Nobody here has any."""
    one = tmp_path_factory.mktemp("authorities") / "one.pem"
    one.write_text(Path(certifi.where()).read_text().partition(_CERTIFICATE_END)[0] + _CERTIFICATE_END)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(one))
        yield
