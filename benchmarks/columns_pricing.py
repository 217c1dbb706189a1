"""What pricing takes by columns and row by row: a million calls of 200 models over 30 dates, with random usage.

    python benchmarks/columns_pricing.py [--rows 1000000]

CPU time of one process. The reference prices a sample of the rows, and both say the same of it.
"""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from otel_llm_collector.columns import pricing
from otel_llm_collector.normalise import fit
from otel_llm_semconv.pricing import price_call, source, warm
from otel_llm_semconv.usage import FIELDS, Usage

FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
DAY_S = 86_400
#: What share of a whole each part is at most; how many of the calls say it.
PARTS = {
    "cache_read_tokens": ("input_tokens", 0.4, 0.7),
    "cache_write_tokens": ("input_tokens", 0.4, 0.3),
    "cache_write_1h_tokens": ("cache_write_tokens", 1.0, 0.1),
    "reasoning_tokens": ("output_tokens", 0.5, 0.4),
    "audio_input_tokens": ("input_tokens", 0.2, 0.05),
    "audio_output_tokens": ("output_tokens", 0.2, 0.05),
}


def models(count: int) -> list[tuple[str, str]]:
    """Models of the price list, of every provider in turn."""
    by_provider = [[(one.id, model.id) for model in one.models] for one in source.current().snapshot.providers]
    turns = (one[turn] for turn in range(max(map(len, by_provider))) for one in by_provider if turn < len(one))
    return [next(turns) for _ in range(count)]


def calls(rows: int, *, model_count: int = 200, days: int = 30) -> pricing.Calls:
    """Random calls, the same in every run."""
    random = np.random.default_rng(7)
    names = models(model_count)
    chosen = random.integers(0, len(names), rows)
    texts = {
        "provider": [provider for provider, _ in names],
        "response_model": [model for _, model in names],
        "request_model": [model for _, model in names],
    }
    tiers = pa.array([None, "default", "flex", "priority"]).take(random.choice(4, rows, p=[0.7, 0.2, 0.05, 0.05]))
    return pricing.Calls(
        at_s=int(FIRST_DAY.timestamp()) + random.integers(0, days * DAY_S, rows),
        words={name: pa.array(values).take(chosen) for name, values in texts.items()} | {"service_tier": tiers},
        counts=counts(random, rows),
    )


def counts(random: np.random.Generator, rows: int) -> dict[str, pa.Array]:
    wholes = {name: random.lognormal(7, 1.5, rows).astype(np.int64) for name in ("input_tokens", "output_tokens")}
    found: dict[str, npt.NDArray[np.int64]] = dict(wholes)
    arrays = {name: pa.array(values) for name, values in wholes.items()}
    for name, (whole, share, often) in PARTS.items():
        found[name] = (found[whole] * random.random(rows) * share).astype(np.int64)
        arrays[name] = pa.array(found[name], mask=random.random(rows) > often)
    return arrays


def reference(told: pricing.Calls, rows: int) -> list[tuple[Any, str]]:
    """The first rows, priced one by one."""
    words = {name: column.slice(0, rows).to_pylist() for name, column in told.words.items()}
    columns = {name: column.slice(0, rows).to_pylist() for name, column in told.counts.items()}
    usages = [Usage(**{name: columns[name][row] for name in FIELDS if name in columns}) for row in range(rows)]
    moments = [datetime.fromtimestamp(at_s, UTC) for at_s in told.at_s[:rows].tolist()]
    found = []
    for row in range(rows):
        priced = fit(
            price_call(
                words["provider"][row],
                (words["response_model"][row], words["request_model"][row]),
                usages[row],
                moments[row],
                service_tier=words["service_tier"][row],
            )
        )
        found.append((priced.amount, priced.status))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--sample", type=int, default=50_000, help="rows that the reference prices")
    chosen = parser.parse_args()
    warm()
    told = calls(chosen.rows)
    sample = min(chosen.sample, chosen.rows)
    times = []
    for _ in range(4):
        began = time.process_time()
        found = pricing.price(told)
        times.append((time.process_time() - began) / chosen.rows * 1e6)
    began = time.process_time()
    expected = reference(told, sample)
    one_by_one = (time.process_time() - began) / sample * 1e6
    same = list(zip(found["cost_usd"][:sample].to_pylist(), found["cost_status"][:sample].to_pylist(), strict=True))
    assert same == expected, "columns and reference differ"
    print(f"pricing {chosen.rows:,} calls       us a call   ratio    bar")
    print(f"  by columns, first time     {times[0]:8.2f}   {times[0] / one_by_one:6.3f}")
    print(f"  by columns, best of 3      {min(times[1:]):8.2f}   {min(times[1:]) / one_by_one:6.3f}   0.50")
    print(f"  row by row                 {one_by_one:8.2f}    1.000")


if __name__ == "__main__":
    main()
