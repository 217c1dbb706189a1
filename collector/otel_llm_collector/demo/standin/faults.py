"""When a request fails, and how."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

from .drawing import Draw

#: Failures that are no HTTP status.
SSE_ERROR: Final = "sse_error"  # an error in the middle of the stream, SSE or not; 500 where nothing is streamed
CUT: Final = "cut"  # the connection ends in the middle of the answer
DROP: Final = "drop"  # the connection ends without an answer
SLOW: Final = "slow"  # the answer is right, but late
KINDS: Final = (SSE_ERROR, CUT, DROP, SLOW)
#: What `fail_rate` draws from.
RANDOM_KINDS: Final = ("429", "500", "529", SSE_ERROR, CUT)
FAULT_HEADER: Final = "x-standin-fault"
MODEL_PREFIX: Final = "standin-"
RETRY_HEADER: Final = "x-stainless-retry-count"  # OpenAI's and Anthropic's SDK count their retries in it
_AWS_ATTEMPT: Final = re.compile(r"attempt=(\d+)")  # boto3 counts them in `amz-sdk-request`


@dataclass(frozen=True, slots=True)
class Fault:
    """A rule: requests whose body contains `text` fail with `kind`, the first `times` of them (None: all)."""

    kind: str
    text: str = ""
    times: int | None = None

    def __post_init__(self) -> None:
        if not is_kind(self.kind):
            raise ValueError(f"unknown failure {self.kind!r}: an HTTP status from 400 to 599 or one of {KINDS}")

    @classmethod
    def parse(cls, rule: str) -> Self:
        """The rule `KIND`, `KIND:TEXT` or `KIND:TEXT:TIMES`."""
        kind, _, rest = rule.partition(":")
        text, _, times = rest.partition(":")
        return cls(kind, text, int(times) if times else None)


def is_kind(kind: str) -> bool:
    """Whether `kind` names a failure."""
    return kind in KINDS or (kind.isdigit() and 400 <= int(kind) <= 599)


class Faults:
    """Decides for each request. Rules count the requests that they matched, across threads."""

    def __init__(self, rules: Sequence[Fault], rate: float, seed: int) -> None:
        if not 0 <= rate <= 1:
            raise ValueError(f"fail_rate must lie between 0 and 1, not {rate}")
        self._rules = tuple(rules)
        self._rate = rate
        self._seed = seed
        self._hits = [0] * len(self._rules)
        self._requests = 0
        self._seen: Counter[int] = Counter()
        self._lock = threading.Lock()

    def choose(self, headers: Mapping[str, str], model: str, body: str) -> str | None:
        """The kind of failure of this request, or None."""
        if kind := self.asked(headers, model, body):
            return kind
        with self._lock:
            self._requests += 1
            return self._by_rule(body) or self._at_random()

    def asked(self, headers: Mapping[str, str], model: str, body: str) -> str | None:
        """The kind of failure that the request asks for itself, `KIND*N` on its first N attempts, or None."""
        for wish in (headers.get(FAULT_HEADER, ""), model.removeprefix(MODEL_PREFIX)):
            kind, _, times = wish.partition("*")
            if is_kind(kind) and (not times or self._retries(headers, wish + body) < int(times)):
                return kind
        return None

    def _retries(self, headers: Mapping[str, str], request: str) -> int:
        """How often the SDK has tried this already: as it says, else as often as it was seen here."""
        if said := headers.get(RETRY_HEADER):
            return int(said)
        if attempt := _AWS_ATTEMPT.search(headers.get("amz-sdk-request", "")):
            return int(attempt[1]) - 1
        with self._lock:
            self._seen[hash(request)] += 1
            return self._seen[hash(request)] - 1

    def _by_rule(self, body: str) -> str | None:
        for i, rule in enumerate(self._rules):
            if rule.text in body and (rule.times is None or self._hits[i] < rule.times):
                self._hits[i] += 1
                return rule.kind
        return None

    def _at_random(self) -> str | None:
        draw = Draw(self._seed, self._requests)
        if draw.below("fails", 10_000) >= self._rate * 10_000:
            return None
        return RANDOM_KINDS[draw.below("kind", len(RANDOM_KINDS))]
