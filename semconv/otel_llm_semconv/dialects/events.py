"""What the events of a span say."""

from __future__ import annotations

from .dialect import Completion, Reading, Span


def first_chunk_at(name: str) -> Completion:
    """Completes a reading by the moment of the event that an emitter adds with the first chunk."""

    def complete(span: Span, reading: Reading) -> None:
        moment = next((event.time_ns for event in span.events if event.name == name), 0)
        if moment >= span.start_ns > 0:
            reading.columns["time_to_first_chunk_ns"] = moment - span.start_ns

    return complete
