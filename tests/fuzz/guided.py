"""Requests that atheris makes out of what it sees the decoder's code do with them.

Run as a program of its own, which libFuzzer takes over: `python -m fuzz.guided FOLDER RUNS`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["otel_llm_collector.columns", "otel_llm_collector.receiver"]):
    from .decoding import compare, sound
    from .mutations import good_traces


def main(folder: Path, runs: int) -> None:
    """Never returns: the process ends with 0, or with a crash whose input is kept in the folder."""
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, body in enumerate(good_traces()):
        (corpus / str(number)).write_bytes(body)

    def try_one(payload: bytes) -> None:
        if stored := sound(payload):
            compare([stored], folder)

    limits = [f"-runs={runs}", "-max_len=4096", "-timeout=20", "-rss_limit_mb=2000", f"-artifact_prefix={folder}/"]
    atheris.Setup([sys.argv[0], *limits, str(corpus)], try_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
