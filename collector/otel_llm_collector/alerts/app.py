"""The alerts' process: looks at the rules until told to stop. Started only where there are rules."""

from __future__ import annotations

import datetime as dt
import logging
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Final

from otel_llm.errors import OtelLlmError

from .. import journal
from ..process import begin, lock, stand_back
from .courier import Courier
from .forgetting import LOCK, renaming_asked
from .rules import read_rules
from .told import FIRING_MAX, Told, forget_told, tell
from .watch import Watch

_LOG = logging.getLogger(__name__)
_POLL_S: Final = 1.0
#: Everything else comes first.
_NICENESS: Final = 10


def now() -> dt.datetime:
    """The clock of this process."""
    return dt.datetime.now(dt.UTC)


def run(data: Path, watch: Watch, stop: threading.Event) -> None:
    """Look at the rules until `stop` is set."""
    for name, channel in watch.rules.channels.items():
        Courier(name, channel, watch.state).start(stop, now)
    while not stop.is_set():
        watch.step(now())
        with renaming_asked(data, watch.state):
            tell(data, told_of(watch))
        stop.wait(_POLL_S)
    forget_told(data)


def told_of(watch: Watch) -> Told:
    """What others are told of a watch."""
    state = watch.state
    breaches = sorted(state.breaches.values(), key=lambda breach: breach.fired_at)
    channels = watch.rules.channels
    return Told(
        firing=[
            [one.alert, one.kind, ", ".join(f"{k}={'' if v is None else v}" for k, v in one.labels), one.value]
            for one in breaches[:FIRING_MAX]
        ],
        groups_firing={rule.name: 0 for rule in watch.rules.rules} | Counter(one.alert for one in breaches),
        looked_at_seconds={name: when.timestamp() for name, when in state.looked_at.items()},
        failing={rule.name: watch.failures[rule.name] for rule in watch.rules.rules},
        messages_waiting={name: len(state.waiting.get(name, ())) for name in channels},
        messages_sent={name: state.counts.get(name, Counter())["sent"] for name in channels},
        message_failures={name: state.counts.get(name, Counter())["failures"] for name in channels},
        messages_dropped={name: state.counts.get(name, Counter())["dropped"] for name in channels},
    )


def main() -> int:
    """Watch until SIGTERM, SIGINT or the end of standard input."""
    config, stop = begin("alerts")
    data = Path(config.data)
    stand_back(_NICENESS)
    try:
        with lock(journal.journal_dir(data) / LOCK, "process for alerts"):
            run(data, Watch(data, read_rules(Path(config.alerts)), now()), stop)
    except (OtelLlmError, OSError) as error:  # the supervisor tries again, and nothing is forgotten
        _LOG.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
