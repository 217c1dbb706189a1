"""Whether the sums are the bill: nothing sampled away, nothing cut, prices of today."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from ..finding import Finding, note, ok, problem
from ..scene import Scene
from .settings import content_mode

#: Attributes that one call may have, with content and a few properties.
ATTRIBUTES_MIN: Final = 64
#: Characters below which ids and names are cut, too.
CHARS_MIN: Final = 256
PRICES_AGE_DAYS_MAX: Final = 90


def sampling(scene: Scene) -> Iterator[Finding]:
    """Every call is kept."""
    share = scene.observed.sampled_share
    if share is None:
        return
    if share >= 1:
        yield ok("the sampler keeps every new trace; what a caller of yours does not sample is not kept here")
        return
    yield problem(
        f"the sampler {scene.observed.sampler} keeps {share:.3g} of new traces: {1 - share:.0%} of the calls are not "
        "in the tables, nor in any sum of them. The metrics still count all calls",
        "unset OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG; or OTEL_METRICS_EXPORTER=otlp, and the bill from there",
    )


def sdk_disabled(scene: Scene) -> Iterator[Finding]:
    """The SDK is on."""
    if scene.get("OTEL_SDK_DISABLED").lower() == "true":
        yield problem("OTEL_SDK_DISABLED=true: there are no spans at all", "unset OTEL_SDK_DISABLED")


def limits(scene: Scene) -> Iterator[Finding]:
    """The SDK's limits do not cut what we write."""
    count, chars = scene.observed.attributes_max, scene.observed.chars_max
    if count is not None and count < ATTRIBUTES_MIN:
        yield problem(
            f"a span keeps {count} attributes: tokens or cost of a call may be among those that are dropped",
            "unset OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT and OTEL_ATTRIBUTE_COUNT_LIMIT (128 is the default)",
        )
    if chars is None:
        return
    fix = "unset OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT and OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT"
    if chars < CHARS_MIN:
        yield problem(f"values are cut after {chars} characters, ids and names of models among them", fix)
    elif content_mode(scene).on_span:
        yield problem(
            f"values are cut after {chars} characters: longer prompts and answers end inside their JSON",
            f"{fix}; OTEL_LLM_CONTENT_BYTES_MAX bounds content and keeps it valid",
        )


def prices(scene: Scene) -> Iterator[Finding]:
    """The price data is not old."""
    if not scene.prices:
        return
    version, checked = scene.prices
    days = (datetime.now(UTC).date() - checked).days
    if days > PRICES_AGE_DAYS_MAX:
        yield note(f"prices: {version}, the newest of them {days} days old ({checked})", "pip install -U genai-prices")
    else:
        yield ok(f"prices: {version}, the newest of {checked}")
