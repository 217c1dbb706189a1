"""Who was asked, where an emitter does not say so: the one provider whose model it is."""

from __future__ import annotations

from .. import attributes as a
from ..models import maker_of
from .dialect import Reading, Span


def tell_maker(span: Span, reading: Reading) -> None:
    """Completes a reading of a call that does not say who was asked."""
    columns = reading.columns
    if columns.get("provider") or columns.get("operation") not in a.INFERENCE_OPERATIONS:
        return
    models = (columns.get("response_model"), columns.get("request_model"))
    if maker := next(filter(None, (maker_of(model) for model in models if model)), None):
        columns["provider"] = maker
