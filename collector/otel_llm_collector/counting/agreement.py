"""Whether what two rows tell can be of one call."""

from __future__ import annotations

from typing import Final

from .calls import Call

_NS_PER_MS: Final = 1_000_000
#: Some clocks tell milliseconds, and who wraps a call begins before it and ends after it.
ROUNDING_NS: Final = 5 * _NS_PER_MS
#: How far the clocks of two hosts may be apart where nothing but time says that two rows tell of one call.
CLOCKS_MS: Final = 20
CLOCKS_NS: Final = CLOCKS_MS * _NS_PER_MS
#: The same where more than time says so.
SKEW_NS: Final = 2000 * _NS_PER_MS


def agree(x: Call, y: Call) -> bool:
    """No count that both tell differs."""
    return x.tokens is None or y.tokens is None or tokens_agree(x, y)


def tokens_agree(x: Call, y: Call) -> bool:
    """The same tokens; or one of them leaves out what was thought."""
    if x.tokens is None or y.tokens is None or x.tokens[0] != y.tokens[0]:
        return False
    return abs(x.tokens[1] - y.tokens[1]) in (0, x.thought, y.thought)


def models_agree(x: Call, y: Call) -> bool:
    """One names a model as the other does, but for a date, an alias or a provider that is added to it."""
    return not x.models or not y.models or not x.models.isdisjoint(y.models)


def look_alike(x: Call, y: Call, *, any_id: bool = False) -> bool:
    """One kind of call, of models that agree, and no two response ids."""
    has_one_id = any_id or x.response_id is None or y.response_id is None or x.response_id == y.response_id
    return x.kind == y.kind and has_one_id and models_agree(x, y)


def sessions_agree(x: Call, y: Call) -> bool:
    return x.session is None or y.session is None or x.session == y.session


def lies_inside(x: Call, y: Call, slack_ns: int) -> bool:
    """One of the two lies within the other."""
    return (x.start - slack_ns <= y.start and y.end <= x.end + slack_ns) or (
        y.start - slack_ns <= x.start and x.end <= y.end + slack_ns
    )


def begin_and_end_together(x: Call, y: Call) -> bool:
    return abs(x.start - y.start) <= ROUNDING_NS and abs(x.end - y.end) <= ROUNDING_NS
