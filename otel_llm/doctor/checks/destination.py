"""Where spans go, and whether they arrive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from .. import probe
from ..finding import Finding, note, ok, problem
from ..scene import Scene

_BASE: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
_TRACES: Final = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
_HEADERS: Final = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PATH: Final = "/v1/traces"
_GRPC: Final = "opentelemetry-exporter-otlp-proto-grpc"
_START: Final = f"start `otel-llm collector`, or set {_BASE} to where one listens"
_ELSEWHERE: Final = "HTTP is usually port 4318, with OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf; gRPC 4317, with grpc"

#: What an empty request was answered with -> what that means, and what to do.
_ANSWERS: Final[Mapping[str, tuple[str, str]]] = {
    probe.CERTIFICATE: (
        "shows a certificate that is not trusted",
        "OTEL_EXPORTER_OTLP_CERTIFICATE=FILE with the authority that signed it",
    ),
    probe.CLIENT_CERTIFICATE: (
        "wants a certificate of who sends, of an authority that it trusts",
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=FILE and OTEL_EXPORTER_OTLP_CLIENT_KEY=FILE, as its operator gives them",
    ),
    probe.NOT_GRPC: ("does not speak gRPC", _ELSEWHERE),
    probe.NOT_HTTP: ("does not speak HTTP", _ELSEWHERE),
    probe.NOT_TLS: ("does not speak TLS", f"write http:// in {_BASE}"),
    probe.REFUSED: ("refuses connections: nothing listens there", _START),
    probe.SILENT: (f"gave no answer within {probe.TIMEOUT_S:g} s", f"look at that server or the firewall, or {_START}"),
    probe.UNKNOWN_HOST: ("is a host that nobody knows", f"correct its name in {_BASE}"),
    "401": ("wants to know who asks (401)", f"{_HEADERS[1]}=authorization=Bearer%20TOKEN, as its operator says"),
    "403": ("does not allow it (403)", f"ask its operator for the right token, in {_HEADERS[1]}"),
    "404": ("does not take spans there (404)", f"{_BASE} is the base URL: {_PATH} is added to it"),
    "405": ("does not take spans there (405)", f"{_BASE} is the base URL: {_PATH} is added to it"),
    "415": ("does not take protobuf (415)", "that is no OTLP receiver: correct the endpoint"),
    "429": ("says that it has too much to do (429)", "spans that come too fast are dropped: give it more room"),
    "503": ("says that it cannot take more now (503)", "look at its log: its disk may be full"),
}


def answer(scene: Scene) -> Iterator[Finding]:
    """The collector answers."""
    for one in scene.observed.destinations:
        if not one.answer:
            continue
        if one.answer.isdecimal() and int(one.answer) < 300:
            yield ok(f"{one.endpoint} answers")
        elif one.answer.isdecimal() and int(one.answer) < 400:
            yield problem(
                f"{one.endpoint} sends elsewhere ({one.answer}), which the exporter takes for success: spans are lost",
                f"set {_BASE} to the address that it redirects to, often https:// instead of http://",
            )
        else:
            what, fix = _ANSWERS.get(one.answer, (f"answers with {one.answer}", f"look at its log, or {_START}"))
            yield problem(f"{one.endpoint} {what}", fix)


def destination(scene: Scene) -> Iterator[Finding]:
    """Spans go somewhere."""
    observed = scene.observed
    for one in observed.destinations:
        names = f", with the headers {', '.join(one.headers)}" if one.headers else ""
        yield ok(" ".join(["spans go by", one.exporter, *([f"to {one.endpoint}{names}"] if one.endpoint else [])]))
    if observed.error or observed.destinations:
        return
    if observed.provider:
        yield problem(
            "spans go nowhere: the tracer provider has no exporter",
            "OTEL_TRACES_EXPORTER=otlp, or give your TracerProvider a BatchSpanProcessor",
        )
    elif observed.run is None or observed.run.processes:
        yield problem(
            "no tracer provider was set up",
            "start with `otel-llm run` or opentelemetry-instrument, or call otel_llm.init() in the app",
        )


def exporter(scene: Scene) -> Iterator[Finding]:
    """The exporter that was asked for exists."""
    known = {name for name, _ in scene.entry_points.get("opentelemetry_traces_exporter", ())}
    for name in scene.get("OTEL_TRACES_EXPORTER").split(","):
        match name.strip():
            case "none":
                yield problem("OTEL_TRACES_EXPORTER=none: no span leaves the app", "OTEL_TRACES_EXPORTER=otlp")
            case "console":
                yield note("OTEL_TRACES_EXPORTER=console prints spans", "OTEL_TRACES_EXPORTER=otlp sends them")
            case "" | "otlp" | "otlp_proto_grpc" | "otlp_proto_http":
                continue
            case other if other not in known:
                yield problem(f"OTEL_TRACES_EXPORTER={other}: none of that name", "OTEL_TRACES_EXPORTER=otlp")
    protocol = scene.get(*_PROTOCOLS)
    if protocol == "grpc" and _GRPC not in scene.installed:
        yield problem(
            "spans are to go by gRPC, and the exporter for it is not installed",
            f"pip install {_GRPC}, or {_PROTOCOLS[1]}=http/protobuf and port 4318",
        )
    elif protocol not in ("", "grpc", "http/protobuf"):
        yield problem(f"{protocol} is a protocol that the SDK does not speak", f"{_PROTOCOLS[1]}=http/protobuf")


def endpoint(scene: Scene) -> Iterator[Finding]:
    """The endpoint is one."""
    base, traces = scene.get(_BASE), scene.get(_TRACES)
    is_http = scene.get(*_PROTOCOLS) != "grpc"
    for name, value in ((_BASE, base), (_TRACES, traces)):
        if value and is_http and urlsplit(value).scheme not in ("http", "https"):
            yield problem(f"{name} has no http:// or https:// in front", f"{name}=http://HOST:4318")
    if is_http and base.rstrip("/").endswith(_PATH):
        yield problem(
            f"{_BASE} ends with {_PATH}, which is added to it once more", f"leave {_PATH} out, or name it {_TRACES}"
        )
    if is_http and traces and urlsplit(traces).path in ("", "/"):
        yield problem(
            f"{_TRACES} has no path, and is used as it stands", f"add {_PATH} to it, or name it {_BASE}, without a path"
        )


def headers(scene: Scene) -> Iterator[Finding]:
    """The headers can be read. Values are secrets and are never shown."""
    for name in _HEADERS:
        pairs = [pair for pair in scene.get(name).split(",") if pair.strip()]
        if any(not pair.partition("=")[0].strip() or "=" not in pair for pair in pairs):
            yield problem(f"{name} has a part that is not name=value, and is left out", f"{name}=NAME=VALUE,NAME=VALUE")


def proxy(scene: Scene) -> Iterator[Finding]:
    """No proxy stands between the app and a collector on this machine."""
    for one in scene.observed.destinations:
        parts = urlsplit(one.endpoint)
        host = parts.hostname or ""
        through = scene.get(f"{parts.scheme}_proxy", f"{parts.scheme}_proxy".upper(), "all_proxy", "ALL_PROXY")
        spared = {word.strip().lstrip(".") for word in scene.get("no_proxy", "NO_PROXY").split(",")}
        if not through or not host or "*" in spared or any(word and host.endswith(word) for word in spared):
            continue
        name = urlsplit(through).hostname or "of the environment"
        if host in ("localhost", "::1") or host.startswith("127."):
            yield problem(
                f"spans for {host}, this machine, go through the proxy {name}", "NO_PROXY=127.0.0.1,localhost"
            )
        else:
            yield note(f"spans for {host} go through the proxy {name}", f"NO_PROXY={host}, if they need not")


def config_file(scene: Scene) -> Iterator[Finding]:
    """A set-up that is in a file can be read."""
    name = scene.get("OTEL_CONFIG_FILE")
    if not name:
        return
    if not Path(name).is_file():
        yield problem(f"OTEL_CONFIG_FILE={name} is not there", "correct the path, or unset it")
    elif "opentelemetry-configuration" not in scene.installed:
        yield problem(
            "OTEL_CONFIG_FILE is set, and the package that reads it is not installed",
            "pip install opentelemetry-configuration, or unset it",
        )
    else:
        yield note(
            f"{name} is the whole set-up: exporter, endpoint and sampler in OTEL_* variables do not count",
            "unset OTEL_CONFIG_FILE where the variables are to count",
        )


def queue(scene: Scene) -> Iterator[Finding]:
    """The queue of the batch processor has room."""
    sizes = {"OTEL_BSP_MAX_QUEUE_SIZE": 2048, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": 512, "OTEL_BSP_SCHEDULE_DELAY": 5000}
    for name in sizes:
        written = scene.get(name)
        if written and not (written.isdecimal() and int(written)):
            yield problem(f"{name}={written} is no number above zero", f"unset {name}")
        elif written:
            sizes[name] = int(written)
    room, batch, delay_ms = sizes.values()
    if batch > room:
        yield problem(
            f"batches of {batch} spans do not fit a queue of {room}: the SDK does not start",
            "make OTEL_BSP_MAX_EXPORT_BATCH_SIZE smaller than OTEL_BSP_MAX_QUEUE_SIZE",
        )
    if room < 512:
        yield note(f"the queue holds {room} spans: a burst of calls drops some", "unset OTEL_BSP_MAX_QUEUE_SIZE")
    if delay_ms > 30_000:
        yield note(
            f"spans leave every {delay_ms / 1000:g} s: a process that is killed takes those along",
            "OTEL_BSP_SCHEDULE_DELAY=1000",
        )
