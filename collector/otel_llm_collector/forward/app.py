"""The forwarding process: a thread for each target, until told to stop. Started only where there are targets."""

from __future__ import annotations

import logging
import sys
import threading
from pathlib import Path
from typing import Final

from otel_llm.errors import OtelLlmError

from .. import journal
from ..config import contracts
from ..options import Config
from ..process import begin, lock
from .forwarder import Forwarder
from .state import forget_others

_LOG = logging.getLogger(__name__)
_STOP_S: Final = 3.0


def main() -> int:
    """Forward until SIGTERM, SIGINT or the end of standard input."""
    config, stop = begin("forward")
    data = Path(config.data)
    try:
        with lock(journal.journal_dir(data) / "forward.lock", "forwarder"):
            _forward(config, stop)
    except (OtelLlmError, OSError) as error:
        _LOG.error("%s", error)
        return 1
    return 0


def _forward(config: Config, stop: threading.Event) -> None:
    data, prices = Path(config.data), contracts(config.contracts, config.deployments)
    forget_others(data, {one.id for one in config.targets})
    forwarders = [Forwarder(data, one, prices) for one in config.targets]
    for forwarder in forwarders:
        forwarder.start()
    stop.wait()
    enders = [threading.Thread(target=forwarder.stop, args=(_STOP_S,)) for forwarder in forwarders]
    for ender in enders:
        ender.start()
    for ender in enders:
        ender.join()


if __name__ == "__main__":
    sys.exit(main())
