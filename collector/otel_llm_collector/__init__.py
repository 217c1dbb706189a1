"""The collector of otel-llm: OTLP in, Parquet out, SQL over it. `open` asks it from Python."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .reading import Lake

__all__ = ["open"]


def open(
    place: str | os.PathLike[str] | None = None, *, token: str | None = None, tz: str = "UTC", timeout_s: float = 60.0
) -> Lake:
    """The lake in a data directory or a bucket, or that of a running collector: `http://HOST:4318`.

    Without a place it is that of `OTEL_LLM_DATA`, else `./otel-llm-data`. `token` is what a collector lets in, `tz` the
    IANA time zone of days and of times without an offset, `timeout_s` how long an answer of a collector may take.
    Nothing is read before the first question, and each question sees the lake as it is then.
    """
    from .reading import open_lake

    return open_lake(place, token=token, tz=tz, timeout_s=timeout_s)
