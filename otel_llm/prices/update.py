"""`prices update`: put another price list in place, for the apps and the collector of this user."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

from otel_llm_semconv.pricing import source

from ..errors import OtelLlmError


def add_parts(parts: Any) -> None:
    """`update`."""
    parser = parts.add_parser("update", help="use the prices of a file from now on, in the format of genai-prices (v2)")
    parser.add_argument("--file", required=True, type=Path, help="data.json, fetched by yourself")
    parser.set_defaults(find=_find)


def _find(chosen: argparse.Namespace) -> list[dict[str, Any]]:
    data = source.read(chosen.file)
    place = source.place()
    if place is None:
        raise OtelLlmError(f"{source.PRICES_ENV} is empty, which means no file; unset it or name a file")
    place.parent.mkdir(parents=True, exist_ok=True)
    _replace(place, chosen.file.read_bytes())
    counted = sum(len(provider.models) for provider in data.snapshot.providers)
    return [{"version": data.version, "models": counted, "file": str(place)}]


def _replace(place: Path, content: bytes) -> None:
    """All of it or nothing: who reads at this moment sees the old file or the new one."""
    with tempfile.NamedTemporaryFile(dir=place.parent, prefix=place.name, delete=False) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(place)
