"""The forwarding process: a thread for each target, until told to stop. Started only where there are targets.

The targets come by the environment, `_OTEL_LLM_FORWARD_TARGETS`: their headers hold keys.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Final

from otel_llm.errors import OtelLlmError

from .. import config, journal
from ..process import lock, watch_parent
from .destination import load
from .forwarder import Forwarder
from .state import forget_others

_LOG = logging.getLogger(__name__)
TARGETS_ENV: Final = "_OTEL_LLM_FORWARD_TARGETS"
_STOP_S: Final = 3.0


def main(argv: list[str]) -> int:
    """Forward until SIGTERM, SIGINT or the end of standard input."""
    parser = argparse.ArgumentParser(prog="otel_llm_collector.forward.app")
    parser.add_argument("--data", required=True)
    parser.add_argument("--contracts")
    chosen = parser.parse_args(argv)
    data = Path(chosen.data)
    logging.basicConfig(level=logging.WARNING, format="otel-llm forward: %(message)s", stream=sys.stderr)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    watch_parent(stop.set)
    try:
        with lock(journal.journal_dir(data) / "forward.lock", "forwarder"):
            _forward(data, chosen.contracts, stop)
    except (OtelLlmError, OSError) as error:
        _LOG.error("%s", error)
        return 1
    return 0


def _forward(data: Path, contracts: str | None, stop: threading.Event) -> None:
    destinations = load(os.environ.get(TARGETS_ENV, "[]"))
    forget_others(data, {one.id for one in destinations})
    forwarders = [Forwarder(data, one, config.contracts(contracts)) for one in destinations]
    for forwarder in forwarders:
        forwarder.start()
    stop.wait()
    enders = [threading.Thread(target=forwarder.stop, args=(_STOP_S,)) for forwarder in forwarders]
    for ender in enders:
        ender.start()
    for ender in enders:
        ender.join()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
