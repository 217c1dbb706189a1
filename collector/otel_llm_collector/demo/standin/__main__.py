"""The stand-in as a process: prints `ready http://127.0.0.1:PORT`, then serves until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from .faults import Fault
from .server import Standin


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until told to stop. Returns the exit code."""
    options = _parser().parse_args(argv)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    try:
        with Standin(**vars(options)) as standin:
            print(f"ready {standin.url}", flush=True)
            signal.pause()
    except KeyboardInterrupt:
        return 0
    return 0


def _stop(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="standin", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--log", type=Path, help="append what is sent to this file, a JSON line a response")
    parser.add_argument("--seed", type=int, default=0, help="changes usage, text and random failures")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="time to the first byte")
    parser.add_argument("--chunk-ms", type=float, default=0.0, help="time between two chunks of a stream")
    parser.add_argument("--jitter", type=float, default=0.0, help="0 to 1: share of the latency that varies")
    parser.add_argument("--fail-rate", type=float, default=0.0, help="0 to 1: share of requests that fail")
    parser.add_argument("--compress", action="store_true", help="answer with gzip, as the providers do")
    parser.add_argument("--slow-ms", type=float, default=2000.0, help="how much later a `slow` answer comes")
    parser.add_argument("--retry-after-s", type=float, default=0.05, help="what 429, 503 and 529 ask for")
    parser.add_argument(
        "--fault",
        dest="faults",
        type=Fault.parse,
        action="append",
        default=[],
        metavar="KIND[:TEXT[:TIMES]]",
        help="the first TIMES requests that contain TEXT fail with KIND: an HTTP status, sse_error, cut, drop or slow",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
