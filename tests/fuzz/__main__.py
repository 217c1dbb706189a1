"""`make fuzz`: changed requests to the decoder and to a collector that runs, and atheris where it is installed."""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from . import decoding, receiving

GUIDED_PART = 5  # of the requests are made by atheris, which takes longer for one


def main() -> None:
    """Stops with the first failure, whose request is in the folder that the message names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="otel-llm-fuzz-"))
    began = time.monotonic()
    taken, refused = decoding.run(chosen.requests, chosen.seed, folder)
    print(f"decoder    {taken:,} read as the reference reads them, {refused:,} refused, {_since(began)}")
    began = time.monotonic()
    said = receiving.run(chosen.requests, chosen.seed, folder)
    counts = ", ".join(f"{status}: {count:,}" for status, count in sorted(said.items()))
    print(f"receiver   {counts}; every span that was taken is there, {_since(began)}")
    if importlib.util.find_spec("atheris") is None:
        print("atheris    SKIPPED: it is not installed (pip install atheris, for CPython 3.11 to 3.13 on Linux)")
        return
    began = time.monotonic()
    runs = max(1, chosen.requests // GUIDED_PART)
    subprocess.run([sys.executable, "-m", "fuzz.guided", str(folder), str(runs)], check=True)
    print(f"atheris    {runs:,} runs, {_since(began)}")


def _since(began: float) -> str:
    return f"{time.monotonic() - began:.0f} s"


if __name__ == "__main__":
    main()
