"""Why a row that looks like a call is not counted: every word that `not_counted_reason` may hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: Decided where a row is made, by what its own span says.
ECHO: Final = "echo"
CACHED: Final = "cached"
#: Decided there for spans that are no inference, and here for an inference around others.
ROLLUP: Final = "rollup"
CONTINUED: Final = "continued"
DUPLICATE: Final = "duplicate"
GATEWAY_TWIN: Final = "gateway_twin"
RETRY: Final = "retry"

MEANING: Final[Mapping[str, str]] = {
    CACHED: "answered out of a cache of its sender's: no provider was asked",
    CONTINUED: "another span says that it counts for this one, too (`otel_llm.continues`)",
    DUPLICATE: "another span or event of the same service tells of the same call",
    ECHO: "its sender tells once more of a call that is over",
    GATEWAY_TWIN: "another service tells of the same call: the one that made it, where this one passed it on",
    RETRY: "an attempt that failed, inside a call that went on",
    ROLLUP: "an agent, a workflow or an outer call, which repeats the usage of the calls below it",
}
