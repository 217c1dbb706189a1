"""`prices cost`: what one call costs, component by component."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from otel_llm_semconv.pricing import Price, price_call
from otel_llm_semconv.pricing.contracts import Contracts
from otel_llm_semconv.pricing.contracts import read as read_contracts
from otel_llm_semconv.pricing.money import USD_MAX
from otel_llm_semconv.usage import Usage

from .rates import moment

#: Option -> field of the usage, and what it says.
_COUNTS: Final = {
    "--input": ("input_tokens", "tokens, those read from and written to a cache included"),
    "--output": ("output_tokens", "tokens, reasoning included"),
    "--cache-read": ("cache_read_tokens", "part of the input"),
    "--cache-write": ("cache_write_tokens", "part of the input, for any time"),
    "--cache-write-1h": ("cache_write_1h_tokens", "part of --cache-write, kept for an hour"),
    "--reasoning": ("reasoning_tokens", "part of the output"),
    "--audio-input": ("audio_input_tokens", "part of the input"),
    "--audio-output": ("audio_output_tokens", "part of the output"),
    "--image-input": ("image_input_tokens", "part of the input"),
    "--image-output": ("image_output_tokens", "part of the output"),
    "--web-searches": ("web_searches", "searches that the provider made"),
}
_BATCH: Final = "batch"


def add_parts(parts: Any) -> None:
    """`cost`."""
    from . import add_format

    parser = parts.add_parser("cost", help="what a call costs, by its components")
    parser.add_argument("--provider", required=True, help="as spans name it, such as openai, anthropic, gcp.gemini")
    parser.add_argument("--model", required=True)
    for option, (name, meaning) in _COUNTS.items():
        parser.add_argument(option, dest=name, type=_count, metavar="N", help=meaning)
    parser.add_argument("--requests", type=_count, default=1, metavar="N", help="for a fee a request; default: 1")
    parser.add_argument("--at", type=moment, default=datetime.now(UTC), metavar="TIME", help="default: now")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--service-tier", metavar="TIER", help="such as flex, priority, fast")
    mode.add_argument("--batch", dest="service_tier", action="store_const", const=_BATCH, help="sent as a batch")
    parser.add_argument("--place", help="geography that inference is kept to, where that has a price, such as us")
    parser.add_argument("--contracts", type=Path, metavar="FILE", help="contract prices, TOML or YAML")
    parser.add_argument("--endpoint", default="", metavar="HOST", help="for the contracts")
    parser.add_argument("--property", action="append", type=_pair, default=[], metavar="KEY=VALUE", help="the same")
    add_format(parser)
    parser.set_defaults(find=_find)


def _count(written: str) -> int:
    if not written.isdecimal():
        raise argparse.ArgumentTypeError(f"{written!r} is no whole number")
    return int(written)


def _pair(written: str) -> tuple[str, str]:
    key, equals, value = written.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{written!r} is not KEY=VALUE")
    return key, value


def _find(chosen: argparse.Namespace) -> list[dict[str, Any]]:
    usage = Usage(**{name: getattr(chosen, name) for name, _ in _COUNTS.values()})
    contracts = read_contracts(chosen.contracts) if chosen.contracts else Contracts()
    models = (chosen.model,)
    found = price_call(
        chosen.provider,
        models,
        usage,
        chosen.at,
        service_tier=chosen.service_tier,
        place=chosen.place,
        contract=contracts.find(chosen.provider, models, chosen.at, chosen.endpoint, dict(chosen.property)),
    )
    found = _times(found, chosen.requests)
    if found.amount is not None and found.amount > USD_MAX:
        print(  # noqa: T201 - for the user to read
            f"otel-llm: more than {USD_MAX:,} USD: no row of a call holds that, its usage is taken for broken",
            file=sys.stderr,
        )
    return [_row(found)]


def _times(found: Price, requests: int) -> Price:
    """The tokens of so many requests: the fee is paid for each."""
    fee = (found.picos or {}).get("request")
    return found if fee is None else replace(found, picos={**(found.picos or {}), "request": fee * requests})


def _row(found: Price) -> dict[str, Any]:
    """By the names of the columns of `spans`."""
    parts: dict[str, Decimal | None] = {f"cost_{name}_usd": amount for name, amount in found.components.items()}
    return {**parts, "cost_usd": found.amount, "status": found.status, "source": found.version}
