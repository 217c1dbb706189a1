"""What an emitter sent of one call, as it is stored: `NAME/emitted/CALL.json`."""

from __future__ import annotations

import json
import re
import socket
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from sdks.environments import ROOT

HERE: Final = Path(__file__).parent
#: Headers by which a request is known to us; none of them is a secret.
_KEPT: Final = re.compile(r"^(anthropic-|content-type$|user-agent$|x-goog-api-client$|x-standin-|x-stainless-)")
#: What says where it was made; the rest of an emission is stored as it came.
_PLACES: Final = re.compile(r"^(host|os|process)\.|^(hostname|sentry\.server_address|server\.name)$")
_FREE: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|\d{4}-\d\d-\d\d[T ][\d:.]+(Z|[+-]\d\d:?\d\d)?|\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT"
    r"|(?<=127\.0\.0\.1:)\d+|(?<=localhost:)\d+|(?i:python/?)3[\d.]+"
    r"|\b([a-z]+[-_])?(?=[A-Za-z0-9]*\d)([A-Za-z0-9]{16,}|[0-9a-f]{12,})(?![A-Za-z0-9])"
    r"|(?<![A-Za-z0-9])(?=[a-z0-9]*[A-Z])(?=[A-Z0-9]*[a-z])[A-Za-z0-9]{16}(?![A-Za-z0-9])"
    r"|\d{10,}(\.\d+)?|\d+\.\d{3,}(e-?\d+)?|0x[0-9a-f]{6,}|\d+\.\d+(?=s\b)|(?<=_ms\\\W: )[\d.]+"
)
_BRIEF_LENGTH_MAX: Final = 200
_BRIEF_KEPT: Final = 30
#: Said only where an answer came before its span had ended: on a busy machine it may not have.
_HASTY: Final = frozenset({"lk.provider_request_ids"})
_FREE_KEYS: Final = re.compile(
    r"(?i)(time|duration|latency|elapsed|\bttft|_ms$|_ns$|seconds|port$|version$|thread|pid$|stack)"
)


@dataclass
class Emission:
    """One call, or a few that belong together.

    `packages` are what emitted it, `told` the parts of the context that the emitter was told, `calls` the requests that
    the stand-in saw and what it answered, `traces` and `logs` OTLP/JSON export requests, `signal` the one of them that
    tells of the calls. A brief one is stored without what was said, which is the text of whoever made the tool; then
    the requests are short ones that are to be answered with the same usage.
    """

    emitter: str
    call: str
    packages: dict[str, str] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    traces: dict[str, Any] = field(default_factory=dict)
    logs: dict[str, Any] = field(default_factory=dict)
    signal: str = "traces"
    is_brief: bool = False

    @property
    def path(self) -> Path:
        return HERE / self.emitter / "emitted" / f"{self.call}.json"

    def write(self) -> None:
        """Store it, without the names of the machine that it was made on."""
        self.path.parent.mkdir(exist_ok=True)
        document = _placeless(asdict(self))
        if self.is_brief:
            document |= {"calls": [_short(call) for call in self.calls]}
            document |= {name: _brief(document[name]) for name in ("traces", "logs")}
        self.path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def read(path: Path) -> Emission:
    """An emission that was stored."""
    return Emission(**json.loads(path.read_text()))


def stored(emitter: str = "*") -> list[Path]:
    """All that are stored."""
    return sorted(HERE.glob(f"{emitter}/emitted/*.json"))


def emitters() -> list[str]:
    """The folders that can be run."""
    found = (*HERE.glob("*/requirements.txt"), *HERE.glob("*/package.json"), *HERE.glob("*/pom.xml"))
    return sorted(path.parent.name for path in found)


def known_headers(headers: list[tuple[str, str]]) -> dict[str, str]:
    """The headers that are stored with a request."""
    return {name: value for name, value in headers if _KEPT.match(name)}


def _short(call: Mapping[str, Any]) -> dict[str, Any]:
    """A request of the same kind, which says what its answer costs."""
    asked = json.loads(call["body"])
    said: dict[str, Any] = {
        "messages": [{"role": "user", "content": "hello"}],
        "input": "hello",
        "contents": [{"role": "user", "parts": [{"text": "hello"}]}],
    }
    body = {key: asked[key] for key in ("model", "stream", "max_tokens") if key in asked}
    body |= {key: value for key, value in said.items() if key in asked}
    headers = {**call["headers"], "x-standin-usage": json.dumps(call["usage"])}
    return {**call, "body": json.dumps(body), "headers": headers}


def _brief(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _brief(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_brief(inner) for inner in value]
    is_long = isinstance(value, str) and len(value) > _BRIEF_LENGTH_MAX
    return f"{value[:_BRIEF_KEPT]}..." if is_long else value


def _placeless(value: Any) -> Any:
    if isinstance(value, dict):
        if _PLACES.search(str(value.get("key", ""))):
            return {"key": value["key"], "value": {"stringValue": "-"}}
        return {key: _placeless(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_placeless(inner) for inner in value]
    return _no_place(value) if isinstance(value, str) else value


def _no_place(text: str) -> str:
    """A traceback quotes the code of others, with places of the machine: only that there is one is kept."""
    if text.startswith("Traceback (most recent call last)") or "\nTraceback (most recent call last)" in text:
        return "Traceback"
    return text.replace(str(ROOT), "ROOT").replace(sys.base_prefix, "PYTHON").replace(socket.gethostname(), "host")


# --- the same again? ------------------------------------------------------------------------------------------


def comparable(emission: Emission) -> list[str]:
    """A line a span and a log record, in which ids, times and numbers of versions are masked; sorted.

    Of a brief one that is the names of the attributes: what they hold depends on the machine and the day.
    """
    if emission.is_brief:
        return sorted(set(_names(emission)))
    document = _placeless(asdict(emission))
    lines = [_line(scope, span, names) for scope, span, names in _spans(document["traces"])]
    lines += [_line(scope, record, {}) for scope, record in _log_records(document["logs"])]
    return sorted([f"told {sorted(emission.told)}", f"{len(emission.calls)} calls", *lines])


def number_of_records(traces: Mapping[str, Any], logs: Mapping[str, Any]) -> int:
    """How many spans and log records there are in export requests, in OTLP/JSON."""
    return sum(1 for _ in _spans(traces)) + sum(1 for _ in _log_records(logs))


def _names(emission: Emission) -> Iterator[str]:
    records = [*((scope, span) for scope, span, _ in _spans(emission.traces)), *_log_records(emission.logs)]
    for scope, record in records:
        names = sorted({pair["key"] for pair in record.get("attributes", ())})
        yield f"{scope} {record.get('name') or record.get('eventName')} {' '.join(names)}"


def _spans(traces: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any], dict[str, str]]]:
    scopes = [scope for resource in traces.get("resourceSpans", ()) for scope in resource.get("scopeSpans", ())]
    names = {span["spanId"]: span["name"] for scope in scopes for span in scope.get("spans", ())}
    for scope in scopes:
        for span in scope.get("spans", ()):
            yield scope.get("scope", {}).get("name", ""), span, names


def _log_records(logs: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for resource in logs.get("resourceLogs", ()):
        for scope in resource.get("scopeLogs", ()):
            for record in scope.get("logRecords", ()):
                yield scope.get("scope", {}).get("name", ""), record


def _line(scope: str, record: Mapping[str, Any], names: Mapping[str, str]) -> str:
    said = {
        "scope": scope,
        "name": record.get("name") or record.get("eventName"),
        "kind": record.get("kind"),
        "status": record.get("status"),
        "parent": names.get(record.get("parentSpanId", ""), "-" if record.get("parentSpanId") else None),
        "attributes": _attributes(record),
        "body": record.get("body"),
        "events": [{"name": event.get("name"), **_attributes(event)} for event in record.get("events", ())],
    }
    return _FREE.sub("#", json.dumps({key: value for key, value in said.items() if value}, sort_keys=True))


def _attributes(record: Mapping[str, Any]) -> dict[str, Any]:
    pairs = {pair["key"]: pair.get("value") for pair in record.get("attributes", ())}
    return {key: "#" if _FREE_KEYS.search(key) else value for key, value in pairs.items() if key not in _HASTY}
