"""A path that a call can take: what the app does, what the provider does, and the truth that must be recorded.

Each is walked twice, without instrumentation and with it: the app must see the same, type for type.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeVar

from app.rawserver import RawServer, Reply
from app.recording import Recorded
from opentelemetry.trace import StatusCode

from otel_llm_semconv import attributes as a
from otel_llm_semconv import usage as u

T = TypeVar("T")
Open = Callable[[], Any]
MISSING_USAGE: Final = "missing_usage"


class Scene:
    """Where an app runs, and what it sees there."""

    def __init__(self, server: RawServer, row: Row, is_over: Callable[[], bool]) -> None:
        self.server = server
        self.begun = row.begun  # pieces that come before the stream breaks off
        self.starter: Sequence[str] = ()  # of a child, where the row has one
        self.env: Mapping[str, str] = {}
        self.is_over = is_over  # whether the call has been recorded
        self.ended: bool | None = None  # whether it had been when the app looked
        self.kept: Any = None
        self.types: list[type] = []
        self.values: list[Any] = []
        self.error: tuple[type[BaseException], str] | None = None

    def got(self, thing: T) -> T:
        """Note what an SDK returned: its type, and that of the response behind it."""
        self.types.append(type(thing))
        self.types.extend(type(getattr(thing, name)) for name in ("response", "http_response") if hasattr(thing, name))
        return thing

    def saw(self, value: Any) -> None:
        """Note a value that the app got."""
        self.values.append(value)

    @property
    def has_begun(self) -> bool:
        """True once the app has seen all that comes before the stream breaks off."""
        return len(self.values) >= self.begun

    @property
    def sights(self) -> tuple[object, ...]:
        """All that the app sees, to be compared."""
        return self.types, self.values, self.error


@dataclass(frozen=True)
class Truth:
    """What the one span must say; what is not given must be absent, but for the `message` of an error."""

    usage: u.Usage
    status: str = u.REPORTED
    error: str | None = None
    finish: str | None = None
    http_status: int | None = None
    attempts: int | None = None
    message: str | None = None


def as_it_is(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Row:
    """One path. `sees` are the values that the app gets, each as `said` puts it, before it `raises`, if it does."""

    name: str
    app: Callable[[Scene], Any]  # a function or a coroutine function
    replies: tuple[Reply, ...]
    truth: Truth
    returns: str | None  # name of the type
    sees: tuple[Any, ...]
    raises: type[BaseException] | None = None
    said: Callable[[Any], Any] = as_it_is
    begun: int = 0

    def walk(self, is_over: Callable[[], bool] = lambda: True, **child: Any) -> Scene:
        """Run the app against the provider; `starter` and `env` are for rows that run a child."""
        with RawServer(*self.replies) as server:
            scene = Scene(server, self, is_over)
            vars(scene).update(child)
            try:
                made = self.app(scene)
                if inspect.iscoroutine(made):
                    asyncio.run(made)
            except (Exception, asyncio.CancelledError) as error:
                scene.error = (type(error), str(error))
            return scene

    def check_sights(self, scene: Scene) -> None:
        """The app got what it should get."""
        assert tuple(map(self.said, scene.values)) == self.sees
        assert (scene.error[0] if scene.error else None) is self.raises
        found = scene.types[0].__name__.partition("[")[0] if scene.types else None  # its parameter is Python's affair
        assert found == self.returns


class Found(NamedTuple):
    """A recorded span."""

    attributes: Mapping[str, Any]
    is_error: bool
    message: str | None  # of the error


def found_in(recorded: Recorded) -> list[Found]:
    """All spans that ended."""
    return [
        Found(dict(span.attributes or {}), span.status.status_code is StatusCode.ERROR, span.status.description)
        for span in recorded.spans()
    ]


def check_truth(truth: Truth, spans: Sequence[Found], *, has_prices: bool = True) -> None:
    """There is one span, and it says the truth and nothing more; without prices it leaves the cost to the collector."""
    ((found, is_error, message),) = spans
    counts = {name: found[name] for name in u.ATTRIBUTE_OF.values() if name in found}
    assert counts == u.to_attributes(truth.usage)
    assert found[a.USAGE_STATUS] == truth.status
    if has_prices or a.COST_STATUS in found:
        assert (a.COST_AMOUNT in found) == (not truth.usage.is_empty())
        assert (found[a.COST_STATUS] == MISSING_USAGE) == truth.usage.is_empty()
    assert found.get(a.ERROR_TYPE) == truth.error
    assert is_error == (truth.error is not None)
    assert truth.message in (None, message)
    assert found.get(a.RESPONSE_FINISH_REASONS) == (None if truth.finish is None else (truth.finish,))
    assert found.get(a.HTTP_STATUS) == truth.http_status
    assert found.get(a.ATTEMPTS) == truth.attempts
