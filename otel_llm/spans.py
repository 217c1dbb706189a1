"""Writing many attributes on a span of ours at once.

The SDK looks at each value in five calls of Python, for whatever an app may put there: 12 us for the attributes of a
chat call, a seventh of all that we add to it. Ours are clean before they come here (`encodable.py`), so where the span
is the SDK's and has room they go straight into its own dict. Any other span, and any other SDK, gets them through the
API.
"""

from __future__ import annotations

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.trace import Span
from opentelemetry.util.types import AttributeValue


def write(span: Span, attributes: dict[str, AttributeValue]) -> None:
    """Put clean attributes on a span that nobody but us ends."""
    held = getattr(span, "_attributes", None)
    if not isinstance(held, BoundedAttributes) or not _has_room(held, len(attributes)):
        span.set_attributes(attributes)
        return
    with held._lock:
        held._dict.update(attributes)


def _has_room(held: BoundedAttributes, count: int) -> bool:
    """True where nothing of so many attributes would be cut or dropped."""
    if held.max_value_len is not None or held._immutable:
        return False
    return held.maxlen is None or len(held._dict) + count <= held.maxlen
