"""Forests of agents, steps and calls as several emitters tell of them, with what was really called."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from hypothesis import strategies as st

from rig import otlp
from rig.told import GATEWAY, NATIVE, OURS, PEER, Told

FRAMEWORK: Final = "opentelemetry.instrumentation.langchain"
Draw = Callable[[st.SearchStrategy[Any]], Any]
Tokens = tuple[int, int]
#: Few, so that calls which are not the same look alike.
_TOKENS: Final = ((10, 1), (20, 2))
_UNTOLD: Final = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini"}


@dataclass
class Forest:
    """What is told, and the tokens of each call that was made."""

    told: list[Told] = field(default_factory=list)
    calls: list[Tokens] = field(default_factory=list)
    skew: int = 0  # of the gateway's clock, ms
    _names: Iterator[int] = field(default_factory=itertools.count)

    def tell(self, scope: str, attributes: dict[str, Any], **where: Any) -> str:
        """Add a span; its name, which those below it name as their parent."""
        self.told.append(Told(f"s{next(self._names)}", scope, attributes=attributes, **where))
        return self.told[-1].name

    def call(self, way: Way, tokens: Tokens, start: int, length: int, **where: Any) -> None:
        """Add a call that was made, as it is told on its way."""
        self.calls.append(tokens)
        way(self, otlp.chat(*tokens), (start, start + length), where)


At = tuple[int, int]
Way = Callable[[Forest, dict[str, Any], At, dict[str, Any]], None]


def _inside(at: At, by: int = 2) -> At:
    return at[0] + by, at[1] - by


def _by_one(forest: Forest, call: dict[str, Any], at: At, where: dict[str, Any]) -> None:
    forest.tell(OURS, call, at=at, **where)


def _wrapped(forest: Forest, call: dict[str, Any], at: At, where: dict[str, Any]) -> None:
    outer = forest.tell(PEER, call, at=at, **where)
    forest.tell(NATIVE, call, at=_inside(at), **where | {"parent": outer})


def _beside(forest: Forest, call: dict[str, Any], at: At, where: dict[str, Any]) -> None:
    forest.tell(PEER, call, at=at, **where)
    forest.tell(NATIVE, call, at=_inside(at), **where)


def _beside_by_id(forest: Forest, call: dict[str, Any], at: At, where: dict[str, Any]) -> None:
    _beside(forest, call | {"gen_ai.response.id": f"r{len(forest.calls)}"}, at, where)


def _attempts(forest: Forest, call: dict[str, Any], at: At, where: dict[str, Any]) -> None:
    where = where | {"parent": forest.tell(OURS, call, at=at, **where)}
    forest.tell(PEER, _UNTOLD, at=(at[0] + 1, at[0] + 20), failed=True, **where)
    forest.tell(PEER, call, at=(at[0] + 21, at[1] - 1), **where)


def _proxied(forest: Forest, call: dict[str, Any], at: At, where: dict[str, Any]) -> None:
    """By a gateway that hands the trace on, and gives an id of its own."""
    outer = forest.tell(OURS, call | {"gen_ai.response.id": f"a{len(forest.calls)}"}, at=at, **where)
    http = forest.tell("http", {}, at=_inside(at), **where | {"parent": outer})
    below = where | {"service": "proxy", "parent": http}
    server = forest.tell("http", {}, at=_inside(at, 3), kind=2, **below)
    theirs = call | {"gen_ai.response.id": f"g{len(forest.calls)}"}
    forest.tell(GATEWAY, theirs, at=_inside(at, 4), **below | {"parent": server})


def _apart(around: Way, *, is_traced: bool = False) -> Way:
    """By a gateway in a trace of its own, which knows no id; perhaps its own call is traced, too."""

    def way(forest: Forest, call: dict[str, Any], at: At, where: dict[str, Any]) -> None:
        around(forest, call, at, where)
        begin, end = (moment + forest.skew for moment in _inside(at, 4))
        there: dict[str, Any] = {"service": "proxy", "trace": 1000 + len(forest.told)}
        proxied = forest.tell(GATEWAY, call, at=(begin, end), **there)
        if is_traced:
            forest.tell(PEER, call, at=(begin + 1, end - 1), parent=proxied, **there)

    return way


#: How the calls of an application are told of: all of them alike, by what is set up there.
WAYS: Final[dict[str, Way]] = {
    "one": _by_one,
    "wrapped": _wrapped,
    "beside": _beside,
    "beside by id": _beside_by_id,
    "attempts": _attempts,
    "proxied": _proxied,
    "apart": _apart(_by_one),
    "apart, traced": _apart(_by_one, is_traced=True),
    "wrapped, apart": _apart(_wrapped),
    "beside, apart": _apart(_beside),
}


@st.composite
def forests(draw: Draw) -> Forest:
    """Some applications at once, and others whose calls only the gateway tells of."""
    forest = Forest(skew=draw(st.sampled_from((0, 15, -15))))
    for trace in range(1, draw(st.integers(1, 3)) + 1):
        _application(draw, forest, trace)
    if draw(st.booleans()):  # at the end of a call that did not go through the gateway, and after it
        forest.call(_by_one, _TOKENS[0], 30_000, 100, service="direct", trace=900)
        for n in range(2):
            forest.call(_only_gateway, _TOKENS[0], 30_060 + 40 * n, 90, service="proxy", trace=901 + n)
    return forest


def _only_gateway(forest: Forest, call: dict[str, Any], at: At, where: dict[str, Any]) -> None:
    forest.tell(GATEWAY, call, at=at, **where)


def _application(draw: Draw, forest: Forest, trace: int) -> None:
    """An agent, its steps, and calls in them, at once or one after the other; perhaps a framework sums them up."""
    where: dict[str, Any] = {"trace": trace, "service": f"app{trace}"}
    way = WAYS[draw(st.sampled_from(sorted(WAYS)))]
    sizes = draw(st.lists(st.sampled_from((1, 2, 3, 8)), min_size=1, max_size=2))
    tokens = [draw(st.sampled_from(_TOKENS)) for _ in range(sum(sizes))]
    begin, pause = draw(st.sampled_from((0, 7, 4000))), draw(st.sampled_from((1, 3, 150)))
    end = begin + pause * len(tokens) + 150
    above = forest.tell("app", {"gen_ai.operation.name": "invoke_agent"}, at=(begin, end + 9), **where)
    for is_sum in draw(st.lists(st.booleans(), max_size=2)):
        sums = otlp.chat(*(sum(side) for side in zip(*tokens, strict=True))) if is_sum else {}
        above = forest.tell(FRAMEWORK if is_sum else "app", sums, at=(begin, end + 9), parent=above, **where)
    starts = iter(range(begin + 5, end, pause))
    calls = iter(tokens)
    for size in sizes:
        step = forest.tell("app", {}, at=(begin, end), parent=above, **where)
        for _ in range(size):
            forest.call(way, next(calls), next(starts), draw(st.integers(100, 104)), parent=step, **where)
