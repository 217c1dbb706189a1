"""What the price data has wrong or lacks: dated, with source and evidence, on top of genai-prices.

A row stays only while it says something else than the library; a test holds each against it and names those that can
go. Sources are the providers' own pages. Evidence: H, seen at the provider's host; C, seen in a copy of its page; L,
told by another row of the price data; N, none: what is listed cannot be all, and no page tells the rest.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from functools import cache
from typing import Final

#: Start and end of a price's validity: from the first on, up to the second.
Span = tuple[datetime | None, datetime | None]
_ALWAYS: Final[Span] = (None, None)
_SATURDAY: Final = 5
#: USD for a million (or a thousand, for `_kcount`), and from which number of input tokens on it is another one.
PriceText = str | tuple[str, tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Correction:
    """What is charged by one provider for models whose name (as asked for, or in the price data) matches wholly.

    Either `prices` by the library's key, or a `factor` on all prices, or those of `another` model, or of the same
    model at another time of day (`as_at`), or the number of input tokens above which the price is not known
    (`assumed_above`). A `mode` is a service tier, a speed or batch; without one the row corrects
    the plain price. `place` is the geography that the call was kept to. `at_home` is what holds at the provider alone,
    where its name may come to stand for another model, and not where others sell the model.
    """

    provider: str
    models: str  # regular expression
    source: str
    evidence: str
    prices: Mapping[str, PriceText] = field(default_factory=dict)
    factor: str | None = None
    another: str | None = None
    as_at: time | None = None
    assumed_above: int | None = None
    mode: str = ""
    place: str = ""
    during: Span = _ALWAYS
    weekends_only: bool = False
    at_home: bool = False

    def covers(self, provider: str, names: tuple[str, ...]) -> bool:
        """True where it is about a model of this provider, known by any of these names."""
        return provider == self.provider and any(_compiled(self.models).fullmatch(name) for name in names)

    def applies(self, at: datetime, mode: str, place: str) -> bool:
        """True where it holds for a call made then, in that mode, kept to that place."""
        start, end = self.during
        if (start is not None and at < start) or (end is not None and at >= end):
            return False
        if self.weekends_only and at.weekday() < _SATURDAY:
            return False
        return self.mode == mode and self.place in ("", place)

    @property
    def is_plain(self) -> bool:
        """True where it corrects the price of a model, False where it is about a mode or a place."""
        return not (self.mode or self.place)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _since(year: int, month: int, day: int, hour: int = 0) -> Span:
    return datetime(year, month, day, hour, tzinfo=UTC), None


def _until(year: int, month: int, day: int) -> Span:
    return None, datetime(year, month, day, tzinfo=UTC)


_ANTHROPIC: Final = "docs.anthropic.com/en/docs/about-claude/pricing"
_DEEPSEEK: Final = "api-docs.deepseek.com/quick_start/pricing"
_GEMINI: Final = "ai.google.dev/gemini-api/docs/pricing"
_OPENAI: Final = "developers.openai.com/api/docs/pricing"
_OPENAI_TUNED: Final = "platform.openai.com/docs/pricing, fine-tuning"
_MISTRAL: Final = "mistral.ai/pricing, docs.mistral.ai/getting-started/models"
_PERPLEXITY: Final = "docs.perplexity.ai/getting-started/pricing"
#: A thousand requests by the size of the search that comes with each; the first is what is not asked otherwise.
_SEARCH_FEES: Final = {
    "sonar|sonar-reasoning": {"low": "5", "medium": "8", "high": "12"},
    "sonar-pro|sonar-reasoning-pro": {"low": "6", "medium": "10", "high": "14"},
}
_XAI: Final = "docs.x.ai/docs/models"
_AZURE: Final = "azure.microsoft.com/pricing/details/ai-foundry-models"
_BEDROCK: Final = "aws.amazon.com/bedrock/pricing"
_VERTEX: Final = "cloud.google.com/vertex-ai/generative-ai/pricing"
_LONG: Final = 200_000
_LONG_OF_OPENAI: Final = 272_000
_LONG_OF_XAI: Final = 128_000
#: No model has its peak then, nor a discount.
NOON: Final = time(12, tzinfo=UTC)

#: In the order in which they are applied.
CORRECTIONS: Final[tuple[Correction, ...]] = (
    Correction(
        "anthropic",
        "claude-sonnet-4-0",
        _ANTHROPIC,
        "H 2025-09, C 2026-03: above 200k input 6 / 22.5, the factors of the cache on top",
        {
            "input_mtok": ("3", (_LONG, "6")),
            "output_mtok": ("15", (_LONG, "22.5")),
            "cache_read_mtok": ("0.3", (_LONG, "0.6")),
            "cache_write_mtok": ("3.75", (_LONG, "7.5")),
            "cache_write_1h_mtok": ("6", (_LONG, "12")),
        },
    ),
    Correction(
        "anthropic",
        "claude-opus-4-6",
        _ANTHROPIC,
        "C: fast mode 30 / 150, the factors of the cache on top",
        {
            "input_mtok": "30",
            "output_mtok": "150",
            "cache_read_mtok": "3",
            "cache_write_mtok": "37.5",
            "cache_write_1h_mtok": "60",
        },
        mode="fast",
    ),
    Correction(
        "deepseek",
        "deepseek-chat|deepseek-reasoner",
        _DEEPSEEK,
        "H: one price for both from 2025-09-05 16:00 UTC, no discount at night",
        {"input_mtok": "0.56", "cache_read_mtok": "0.07", "output_mtok": "1.68"},
        during=(datetime(2025, 9, 5, 16, tzinfo=UTC), datetime(2025, 9, 29, tzinfo=UTC)),
        at_home=True,
    ),
    Correction(
        "deepseek",
        "deepseek-chat|deepseek-reasoner",
        _DEEPSEEK,
        "C: V3.2-Exp from 2025-09-29",
        {"input_mtok": "0.28", "cache_read_mtok": "0.028", "output_mtok": "0.42"},
        during=_since(2025, 9, 29),
        at_home=True,
    ),
    Correction(
        "deepseek",
        "deepseek-flash|deepseek-v4-(?:flash|pro).*",
        _DEEPSEEK,
        "H: no peak hours at weekends",
        as_at=NOON,
        weekends_only=True,
    ),
    Correction(
        "deepseek",
        "deepseek-v4-flash.*",
        _DEEPSEEK,
        "H: peak hours came with the rates of 2026-09-10",
        as_at=NOON,
        during=_until(2026, 9, 10),
    ),
    Correction(
        "deepseek",
        "deepseek-v4-pro.*",
        _DEEPSEEK,
        "H: peak hours came with the rates of 2026-08-17",
        as_at=NOON,
        during=_until(2026, 8, 17),
    ),
    Correction(
        "google",
        "gemini-2\\.5-flash-preview",
        _GEMINI,
        "C: thinking, audio and the cache have prices of their own",
        {"output_reasoning_mtok": "3.5", "input_audio_mtok": "1", "cache_read_mtok": "0.0375"},
    ),
    Correction(
        "google",
        "gemini-2\\.5-pro",
        _GEMINI,
        "C 2025-08: the cache was dearer",
        {"cache_read_mtok": ("0.31", (_LONG, "0.625"))},
        during=_until(2025, 9, 1),
    ),
    Correction(
        "google",
        "gemini-2\\.5-flash",
        _GEMINI,
        "C 2025-08: the cache was dearer",
        {"cache_read_mtok": "0.075"},
        during=_until(2025, 9, 1),
    ),
    Correction(
        "google",
        "gemini-2\\.5-flash-lite",
        _GEMINI,
        "C 2025-08: the cache was dearer",
        {"cache_read_mtok": "0.025"},
        during=_until(2025, 9, 1),
    ),
    Correction(
        "google",
        "gemini-flash-latest",
        _GEMINI,
        "H 2026-02 for what the name stood for, C for its price",
        another="gemini-3-flash-preview",
        during=(datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)),
    ),
    Correction(
        "openai",
        "gpt-4o-audio-preview",
        _OPENAI,
        "H: audio 40 / 80",
        {"input_audio_mtok": "40", "output_audio_mtok": "80"},
    ),
    Correction(
        "openai",
        "gpt-4o-mini-audio-preview",
        _OPENAI,
        "H: audio 10 / 20",
        {"input_audio_mtok": "10", "output_audio_mtok": "20"},
    ),
    Correction(
        "openai",
        "ft:gpt-4.1-2025-04-14.*",
        _OPENAI_TUNED,
        "C: fine-tuned models, which the price data lacks",
        {"input_mtok": "3", "cache_read_mtok": "0.75", "output_mtok": "12"},
    ),
    Correction(
        "openai",
        "ft:gpt-4.1-mini-2025-04-14.*",
        _OPENAI_TUNED,
        "C: fine-tuned models, which the price data lacks",
        {"input_mtok": "0.8", "cache_read_mtok": "0.2", "output_mtok": "3.2"},
    ),
    Correction(
        "openai",
        "ft:gpt-4.1-nano-2025-04-14.*",
        _OPENAI_TUNED,
        "C: fine-tuned models, which the price data lacks",
        {"input_mtok": "0.2", "cache_read_mtok": "0.05", "output_mtok": "0.8"},
    ),
    Correction(
        "openai",
        "ft:gpt-4o-2024-.*",
        _OPENAI_TUNED,
        "C: what is cached costs half",
        {"cache_read_mtok": "1.875"},
    ),
    Correction(
        "openai",
        "ft:gpt-4o-mini-2024-07-18.*",
        _OPENAI_TUNED,
        "C: what is cached costs half",
        {"cache_read_mtok": "0.15"},
    ),
    Correction(
        "google",
        "gemini-2.5-computer-use-preview.*",
        _GEMINI,
        "C: priced as Gemini 2.5 Pro is, without a cache; the price data lacks it",
        {"input_mtok": ("1.25", (_LONG, "2.5")), "output_mtok": ("10", (_LONG, "15"))},
    ),
    Correction(
        "google",
        "gemini-robotics-er-1.5-preview.*",
        _GEMINI,
        "C: text, pictures and video 0.30, audio 1.00; the price data lacks it",
        {"input_mtok": "0.3", "input_audio_mtok": "1", "output_mtok": "2.5"},
    ),
    Correction(
        "google",
        "gemini-1.5-flash-8b.*",
        _GEMINI,
        "L: its price stands at `gemini-flash-1.5-8b`, its names lead to 1.5 Flash",
        another="gemini-flash-1.5-8b",
    ),
    Correction(
        "x-ai",
        "grok-4-fast.*",
        _XAI,
        "L: OpenRouter, which passes xAI's prices on, has twice the price above 128k",
        {"input_mtok": ("0.2", (_LONG_OF_XAI, "0.4")), "output_mtok": ("0.5", (_LONG_OF_XAI, "1"))},
    ),
    Correction(
        "x-ai",
        "grok-4|grok-4-latest|grok-4-0709|grok-4-1-fast.*",
        _XAI,
        "N: dearer above 128k as Grok 4 Fast is, by how much no page tells",
        assumed_above=_LONG_OF_XAI,
    ),
    Correction(
        "aws",
        r".*anthropic\.claude-sonnet-4-(?:2025|5-).*",
        _BEDROCK,
        "N: its maker's price is higher above 200k",
        assumed_above=_LONG,
    ),
    Correction(
        "aws",
        r".*anthropic\.claude-(?:opus|sonnet)-4-6.*",
        _BEDROCK,
        "N: its maker's price was higher above 200k until 2026-03-13",
        assumed_above=_LONG,
        during=_until(2026, 3, 13),
    ),
    Correction(
        "aws",
        r".*openai\.gpt-5\.[45]",
        _BEDROCK,
        "N: its maker's price is higher above 272k",
        assumed_above=_LONG_OF_OPENAI,
    ),
    Correction(
        "google",
        "claude-(?:4-sonnet|sonnet-4@.*)",
        _VERTEX,
        "N: its maker's price is higher above 200k",
        assumed_above=_LONG,
    ),
    Correction(
        "google",
        "claude-sonnet-4-6.*",
        _VERTEX,
        "N: its maker's price was higher above 200k until 2026-03-13",
        assumed_above=_LONG,
        during=_until(2026, 3, 13),
    ),
    Correction(
        "azure",
        "deepseek-.*",
        _AZURE,
        "N: Azure's prices are its own, those of the maker's names have moved",
        assumed_above=0,
    ),
    Correction(
        "azure",
        "ft:.*",
        _AZURE,
        "N: a fine-tune is charged by the hour, too",
        assumed_above=0,
    ),
    Correction(
        "mistral",
        "mistral-large-latest",
        _MISTRAL,
        "C 2026: the name stands for Large 3 since it came out, 0.5 / 1.5",
        another="mistral-large-2512",
        during=_since(2025, 12, 2),
        at_home=True,
    ),
    Correction(
        "openai",
        "gpt-4o(?:-mini)?-search-preview.*",
        _OPENAI,
        "C 2026-03: these search for each request, 25 a thousand, what is found is free",
        {"requests_kcount": "25"},
    ),
    Correction(
        "openai",
        "gpt-5-search-api.*",
        _OPENAI,
        "C 2026-03: it searches for each request, 10 a thousand",
        {"requests_kcount": "10"},
    ),
    *(
        Correction(
            "perplexity",
            models,
            _PERPLEXITY,
            f"C 2026-06: {' / '.join(fees.values())} by the size of the search, the smallest where none is asked for",
            {"requests_kcount": fees[size or "low"]},
            mode=size,
        )
        for models, fees in _SEARCH_FEES.items()
        for size in ("", *fees)
    ),
    Correction("x-ai", "grok-.*", _XAI, "H: web and X search, 5 a thousand", {"web_searches_kcount": "5"}),
    Correction("anthropic", "claude-.*", _ANTHROPIC, "H: batch is half of every price", factor="0.5", mode="batch"),
    Correction("google", "gemini-.*", _GEMINI, "H: batch is half of every price", factor="0.5", mode="batch"),
    Correction("openai", ".*", _OPENAI, "H: batch is half of every price", factor="0.5", mode="batch"),
    Correction(
        "anthropic",
        r"claude-(?:opus|sonnet|haiku|[a-z]+)-(?:4-[6-9]|[5-9]).*",
        _ANTHROPIC,
        "C: inference in the US only, of Opus 4.6 and what came later, costs a tenth more",
        factor="1.1",
        place="us",
    ),
)


def find(provider: str, names: tuple[str, ...], *, is_borrowed: bool = False) -> tuple[Correction, ...]:
    """Those about a model of this provider, known by these names, in the order in which they are applied.

    It is borrowed where another provider sells it.
    """
    found = (row for row in CORRECTIONS if row.covers(provider, names))
    return tuple(row for row in found if not (is_borrowed and row.at_home))


@cache
def version() -> str:
    """Changes with every change of the table."""
    return hashlib.sha256(repr(CORRECTIONS).encode()).hexdigest()[:7]
