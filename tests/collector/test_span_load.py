"""The load of the benchmarks: what it says of itself, and so what the collector's figures of size rest on."""

from __future__ import annotations

import gzip
import runpy
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

LOAD: Any = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "span_load.py"))["Load"]
SPANS = 4 * 512
PAGE_BYTES = 1024 * 1024


@pytest.mark.parametrize(("content", "size", "zipped"), [(True, 2387, 627), (False, 772, 99)])
def test_a_span_is_as_large_and_compresses_as_well_as_it_should(*, content: bool, size: int, zipped: int) -> None:
    requests = list(LOAD(content=content).requests(SPANS))
    assert sum(map(len, requests)) / SPANS == pytest.approx(size, rel=0.01)
    assert sum(len(gzip.compress(request, 1)) for request in requests) / SPANS == pytest.approx(zipped, rel=0.05)


def test_a_span_has_twenty_attributes() -> None:
    assert attributes(content=True) == 20
    assert attributes(content=False) == 18


def attributes(*, content: bool) -> int:
    (request,) = LOAD(content=content).requests(1)
    (resource_spans,) = ExportTraceServiceRequest.FromString(request).resource_spans
    return len(resource_spans.scope_spans[0].spans[0].attributes)


@pytest.mark.parametrize(("level", "size"), [(1, 378), (3, 335)])
def test_what_zstd_leaves_of_the_text(level: int, size: int) -> None:
    load, codec = LOAD(content=True), pa.Codec("zstd", compression_level=level)
    spans = [load._attributes() for _ in range(SPANS)]
    texts = ["".join(span[f"gen_ai.{side}.messages"] for span in spans).encode() for side in ("input", "output")]
    pages = [text[first : first + PAGE_BYTES] for text in texts for first in range(0, len(text), PAGE_BYTES)]
    assert sum(len(codec.compress(page)) for page in pages) / SPANS == pytest.approx(size, rel=0.05)
