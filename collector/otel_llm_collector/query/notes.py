"""What a sum of money leaves out or assumes, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_MODELS_NAMED: Final = 3
#: cost_status of calls without a cost -> why, after their number.
UNPRICED: Final[Mapping[str, str]] = {
    "missing_usage": "failed or reported no usage (missing_usage)",
    "unknown_model": "where the model has no known price{models} (unknown_model)",
    "inconsistent_usage": "with token counts that cannot be (inconsistent_usage)",
    "not_counted": "not counted (not_counted)",
    "no_status": "without a reason",
}
#: What makes the cost of a call a figure that is not exact -> how, after the number of calls; for one, for more.
INEXACT: Final[Mapping[str, tuple[str, str]]] = {
    "partial": ("interrupted stream (usage_status partial)", "interrupted streams (usage_status partial)"),
    "assumed_ttl": ("cache write at the default TTL (assumed_ttl)", "cache writes at the default TTL (assumed_ttl)"),
    "assumed_tier": ("at the standard tier's price (assumed_tier)",) * 2,
    "estimated_tokens": ("with estimated tokens (estimated_tokens)",) * 2,
    "provider_declared": ("at the cost that the provider stated (provider_declared)",) * 2,
}


def cost_notes(total: Mapping[str, Any]) -> tuple[str, ...]:
    """The notes under `cost`, from its row over everything: what is not in the sums, what is in them inexactly."""
    return (*_unpriced(total), *_inexact(total["inexact_reasons"] or {}))


def _unpriced(total: Mapping[str, Any]) -> list[str]:
    count, calls = total["unpriced_calls"], total["calls"]
    if not count:
        return []
    models = _models(total["unknown_models"] or {})
    phrases = {status: phrase.replace("{models}", models) for status, phrase in UNPRICED.items()}
    reasons = [
        f"{number:,} {phrases.get(status, status)}" for status, number in _by_number(total["unpriced_reasons"] or {})
    ]
    verbs = "has no cost and is" if count == 1 else "have no cost and are"
    return [f"{count:,} of {calls:,} call{_s(calls)} {verbs} not in the sums: {', '.join(reasons)}"]


def _inexact(reasons: Mapping[str, int]) -> list[str]:
    if not reasons:
        return []
    count = sum(reasons.values())
    parts = [
        f"{number:,} {INEXACT.get(reason, (reason, reason))[number > 1]}" for reason, number in _by_number(reasons)
    ]
    verb = "is" if count == 1 else "are"
    return [f"{count:,} call{_s(count)} {verb} counted with what is known: {', '.join(parts)}"]


def _models(calls: Mapping[str, int]) -> str:
    """`: NAME, NAME`, those with the most calls first; nothing where no call named its model."""
    names = [name for name, _ in _by_number(calls)]
    more = [f"{len(names) - _MODELS_NAMED:,} more"] if len(names) > _MODELS_NAMED else []
    return f": {', '.join([*names[:_MODELS_NAMED], *more])}" if names else ""


def _by_number(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _s(count: int) -> str:
    return "" if count == 1 else "s"
