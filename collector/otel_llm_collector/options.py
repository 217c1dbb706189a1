"""Every option of `otel-llm collector`: one row each. A flag wins over the environment, that over the file, that over
the default. The rows are also what the flags, the documentation and `--print-config` are made from.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, NamedTuple

from otel_llm.settings import pairs
from otel_llm_semconv.tables import DERIVED, TABLES

from .config import ALERTS_ENV, CONTRACTS_ENV, DATA_DEFAULT, DATA_ENV, DEPLOYMENTS_ENV
from .forward import Destination
from .journal import TENANT_BYTES_MAX
from .lake.address import check_address

_MIB: Final = 1024 * 1024
_GIB: Final = 1024 * _MIB
_SIZE: Final = re.compile(r"^(\d+) ?(|[KMGT]i?B)$")
_UNITS: Final[Mapping[str, int]] = {
    "": 1,
    **{f"{sign}iB": 1024**power for power, sign in enumerate("KMGT", 1)},
    **{f"{sign}B": 1000**power for power, sign in enumerate("KMGT", 1)},
}
_LOOPBACK: Final = frozenset({"localhost", "::1"})
_LEVELS: Final = ("debug", "info", "warning", "error")
_FORMATS: Final = ("text", "json")


@dataclass(frozen=True, slots=True)
class Config:
    """The values of all options, as the processes of a collector need them. `tokens` is token -> tenant."""

    data: str
    lake: str
    http: str
    grpc: str
    forward: tuple[Destination, ...]
    forward_enriched: tuple[Destination, ...]
    contracts: str
    deployments: Mapping[str, str]
    alerts: str
    tokens: Mapping[str, str]
    tls_certificate: str
    tls_key: str
    tls_client_authority: str
    cors_origins: tuple[str, ...]
    body_bytes_max: int
    memory_bytes_max: int
    journal_bytes_max: int
    disk_free_bytes_min: int
    archive_days: float
    archive_bytes_max: int
    spans_days: float
    messages_days: float
    logs_days: float
    metrics_days: float
    scores_days: float
    repriced_costs_days: float
    rollup_properties: tuple[str, ...]
    alerts_days: float
    sql_queries_max: int
    sql_seconds_max: float
    sql_memory_bytes_max: int
    sql_rows_max: int
    sql_answer_bytes_max: int
    sql_tenants_all: tuple[str, ...]
    sql_niceness: int
    log_level: str
    log_format: str

    @property
    def targets(self) -> tuple[Destination, ...]:
        """All that is forwarded to."""
        return self.forward + self.forward_enriched

    @property
    def kept_days(self) -> dict[str, float]:
        """How long the rows of each table are kept."""
        return {table: getattr(self, option) for table, option in KEPT_DAYS.items()}

    def dump(self) -> str:
        """As one line, for another process."""
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> Config:
        """What `dump` has written."""
        given: dict[str, Any] = json.loads(text)
        for name in ("forward", "forward_enriched"):
            given[name] = tuple(Destination(**one) for one in given[name])
        lists = {name: tuple(given[name]) for name in ("cors_origins", "rollup_properties", "sql_tenants_all")}
        return cls(**given | lists)


def is_loopback(address: str) -> bool:
    """Whether HOST:PORT can be reached from this machine alone."""
    host = address.rpartition(":")[0].strip("[]")
    return host in _LOOPBACK or host.startswith("127.")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("give text")
    return value


def _bucket(value: Any) -> str:
    return check_address(value) if _text(value) else ""


def _address(value: Any) -> str:
    host, _, port = _text(value).rpartition(":")
    if not host or not port.isdigit() or int(port) > 65_535:
        raise ValueError("give HOST:PORT, such as 127.0.0.1:4318")
    return str(value)


def _size(value: Any) -> int:
    found = _SIZE.match(str(value).strip()) if not isinstance(value, bool) else None
    if found is None or not int(found[1]):
        raise ValueError("give a number of bytes above 0, such as 67108864 or 64MiB")
    return int(found[1]) * _UNITS[found[2]]


def _days(value: Any) -> float:
    try:
        days = float(value)
    except (TypeError, ValueError):
        days = -1
    if isinstance(value, bool) or not 0 <= days < 1e6:
        raise ValueError("give a number of days, 0 or more")
    return days


def _count(value: Any) -> int:
    if isinstance(value, bool) or not re.match(r"^\d{1,18}$", str(value).strip()):
        raise ValueError("give a whole number, 0 or more")
    return int(value)


def _seconds(value: Any) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = 0
    if isinstance(value, bool) or not 0 < seconds < 1e6:
        raise ValueError("give a number of seconds above 0")
    return seconds


def _names(value: Any) -> tuple[str, ...]:
    return tuple(_text(word) for word in _words(value))


def _one_of(words: tuple[str, ...]) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if value not in words:
            raise ValueError(f"give one of {', '.join(words)}")
        return str(value)

    return parse


def _words(value: Any) -> list[Any]:
    """A list as a file gives it, or texts with commas, as a flag or the environment does."""
    given = [value] if isinstance(value, str | Mapping) else value
    if not isinstance(given, list | tuple):
        raise ValueError("give a list")
    return [word for one in given for word in (_split(one) if isinstance(one, str) else [one])]


def _split(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _origins(value: Any) -> tuple[str, ...]:
    found = tuple(_text(word).rstrip("/") for word in _words(value))
    for origin in found:
        if origin != "*" and not re.match(r"^https?://[^/]+$", origin):
            raise ValueError(f"{origin}: give https://HOST, as browsers say where a page is from, or *")
    return found


def _keys(value: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(_text, _words(value))))


def _destinations(value: Any) -> tuple[Destination, ...]:
    return tuple(_destination(one) for one in _words(value))


def _enriched(value: Any) -> tuple[Destination, ...]:
    return tuple(Destination(_text(url), enriched=True) for url in _words(value))


def _destination(given: Any) -> Destination:
    if isinstance(given, str):
        return Destination(given)
    if not isinstance(given, Mapping) or "url" not in given:
        raise ValueError("each target has a url")
    known = {field.name: field for field in fields(Destination)}
    for name, one in given.items():
        if name not in known:
            raise UnknownKeyError(name, list(known))
        wanted = {"url": str, "headers": dict, "queue_bytes_max": int}.get(name, bool)
        if name != "queue_bytes_max" and not isinstance(one, wanted):
            raise ValueError(f"{name}: give {'true or false' if wanted is bool else wanted.__name__}")
    more = {"queue_bytes_max": _size(given["queue_bytes_max"])} if "queue_bytes_max" in given else {}
    return Destination(**{**given, **more})


def _deployments(value: Any) -> dict[str, str]:
    """`name = "model"`; as a text name=model pairs separated by commas."""
    if isinstance(value, str):
        return pairs(value)
    expected = 'give deployment = "model"'
    if not isinstance(value, Mapping):
        raise ValueError(expected)
    for name, model in value.items():
        if not name.strip() or not isinstance(model, str) or not model.strip():
            raise KeyedError(name, expected)
    return dict(value)


def _tokens(value: Any) -> dict[str, str]:
    """`tenant = "token"`, or a list of tokens; by the environment tenant=token pairs separated by commas."""
    if isinstance(value, str):
        value = dict(pair.partition("=")[::2] for pair in _split(value))
    if not isinstance(value, Mapping):
        raise ValueError('give tenant = "token"')
    found: dict[str, str] = {}
    for tenant, tokens in value.items():
        for token in [tokens] if isinstance(tokens, str) else tokens:
            _check_token(tenant, token)
            if found.setdefault(token, tenant) != tenant:
                raise ValueError(f"{tenant} has the token of {found[token]}")
    return found


def _check_token(tenant: str, token: Any) -> None:
    if not tenant.strip() or len(tenant.encode()) > TENANT_BYTES_MAX:
        raise ValueError(f"a tenant's name has 1 to {TENANT_BYTES_MAX} bytes")
    if not isinstance(token, str) or not re.match(r"^[\x21-\x7e]+$", token):
        raise ValueError(f"the token of {tenant} is not printable ASCII without spaces")


class KeyedError(ValueError):
    """What is wrong at a key of a table. `key` is how it was spelled."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(why)
        self.key = key


class UnknownKeyError(KeyedError):
    """A key that nothing knows."""

    def __init__(self, key: str, known: list[str]) -> None:
        near = difflib.get_close_matches(key, known, n=1)
        hint = f", did you mean {near[0]!r}?" if near else f": one of {', '.join(known)}"
        super().__init__(key, f"unknown key {key!r}{hint}")


class Option(NamedTuple):
    """One row: name in the file, variable, default as it would be written, reader of text or of TOML, the meaning.

    `metavar` is what its flag is given, '' where it has none: a secret does not belong on a command line. `reloads` is
    True where SIGHUP takes a new value over.
    """

    name: str
    env: str
    default: Any
    parse: Callable[[Any], Any]
    metavar: str
    reloads: bool
    doc: str

    @property
    def flag(self) -> str:
        """The flag, '' for none."""
        return "--" + self.name.replace("_", "-") if self.metavar else ""

    @property
    def is_list(self) -> bool:
        """A flag that may be given several times."""
        return isinstance(self.default, list)


OPTIONS: Final = (
    Option("data", DATA_ENV, DATA_DEFAULT, _text, "DIR", False, "Data directory"),
    Option(
        "lake",
        "OTEL_LLM_COLLECTOR_LAKE",
        "",
        _bucket,
        "URL",
        False,
        "Keep the tables in this bucket, s3://BUCKET/FOLDER, and the journal alone in the data directory",
    ),
    Option(
        "http",
        "OTEL_LLM_COLLECTOR_HTTP",
        "127.0.0.1:4318",
        _address,
        "HOST:PORT",
        False,
        "Address for OTLP/HTTP; port 0 takes a free one",
    ),
    Option(
        "grpc",
        "OTEL_LLM_COLLECTOR_GRPC",
        "127.0.0.1:4317",
        _address,
        "HOST:PORT",
        False,
        "Address for OTLP/gRPC; port 0 takes a free one",
    ),
    Option(
        "forward",
        "OTEL_LLM_COLLECTOR_FORWARD",
        [],
        _destinations,
        "URL",
        True,
        "Hand everything on to this OTLP receiver: http(s)://HOST:PORT or grpc(s)://. Repeatable",
    ),
    Option(
        "forward_enriched",
        "OTEL_LLM_COLLECTOR_FORWARD_ENRICHED",
        [],
        _enriched,
        "URL",
        True,
        "The same, each span of a model with our cost and the conventions' attributes added. Repeatable",
    ),
    Option(
        "contracts",
        CONTRACTS_ENV,
        "",
        _text,
        "FILE",
        True,
        "Contract prices, TOML or YAML; without, list prices",
    ),
    Option(
        "deployments",
        DEPLOYMENTS_ENV,
        {},
        _deployments,
        "NAME=MODEL",
        True,
        "Deployments and the models behind them, as name=model pairs: chat-prod=gpt-4o",
    ),
    Option(
        "alerts",
        ALERTS_ENV,
        "",
        _text,
        "FILE",
        True,
        "Rules of alerts, TOML: a process of its own looks at them",
    ),
    Option(
        "tokens",
        "OTEL_LLM_COLLECTOR_TOKENS",
        {},
        _tokens,
        "",
        True,
        "Bearer tokens that are let in, as tenant=token pairs; rows carry the tenant. Without any, all are let in",
    ),
    Option(
        "tls_certificate",
        "OTEL_LLM_COLLECTOR_TLS_CERTIFICATE",
        "",
        _text,
        "FILE",
        True,
        "Certificate chain, PEM: both doors speak TLS. A changed file is read by SIGHUP",
    ),
    Option("tls_key", "OTEL_LLM_COLLECTOR_TLS_KEY", "", _text, "FILE", True, "Its private key, PEM"),
    Option(
        "tls_client_authority",
        "OTEL_LLM_COLLECTOR_TLS_CLIENT_AUTHORITY",
        "",
        _text,
        "FILE",
        False,
        "Who has no certificate of these authorities (PEM) is not let in",
    ),
    Option(
        "cors_origins",
        "OTEL_LLM_COLLECTOR_CORS_ORIGINS",
        [],
        _origins,
        "ORIGIN",
        True,
        "Web pages of this origin (https://HOST, or *) may send from the browser. Repeatable",
    ),
    Option(
        "body_bytes_max",
        "OTEL_LLM_COLLECTOR_BODY_BYTES_MAX",
        64 * _MIB,
        _size,
        "BYTES",
        False,
        "Largest request, before and after decompression",
    ),
    Option(
        "memory_bytes_max",
        "OTEL_LLM_COLLECTOR_MEMORY_BYTES_MAX",
        192 * _MIB,
        _size,
        "BYTES",
        True,
        "Requests in memory at once; above it clients are told to wait",
    ),
    Option(
        "journal_bytes_max",
        "OTEL_LLM_COLLECTOR_JOURNAL_BYTES_MAX",
        8 * _GIB,
        _size,
        "BYTES",
        True,
        "Journal that is not converted yet; above it clients are told to wait",
    ),
    Option(
        "disk_free_bytes_min",
        "OTEL_LLM_COLLECTOR_DISK_FREE_BYTES_MIN",
        256 * _MIB,
        _size,
        "BYTES",
        True,
        "Room that is left free on the disk; below it clients are told to wait",
    ),
    Option(
        "archive_days",
        "OTEL_LLM_COLLECTOR_ARCHIVE_DAYS",
        7,
        _days,
        "DAYS",
        True,
        "How long converted requests are kept as they came",
    ),
    Option(
        "archive_bytes_max",
        "OTEL_LLM_COLLECTOR_ARCHIVE_BYTES_MAX",
        16 * _GIB,
        _size,
        "BYTES",
        True,
        "How much of them is kept at most",
    ),
    Option(
        "spans_days",
        "OTEL_LLM_COLLECTOR_SPANS_DAYS",
        400,
        _days,
        "DAYS",
        True,
        "How long spans are kept, with what they cost",
    ),
    Option(
        "messages_days",
        "OTEL_LLM_COLLECTOR_MESSAGES_DAYS",
        30,
        _days,
        "DAYS",
        True,
        "How long content is kept: prompts and answers; and what is in quarantine",
    ),
    Option(
        "logs_days",
        "OTEL_LLM_COLLECTOR_LOGS_DAYS",
        30,
        _days,
        "DAYS",
        True,
        "How long log records are kept, which may hold content, too",
    ),
    Option(
        "metrics_days",
        "OTEL_LLM_COLLECTOR_METRICS_DAYS",
        90,
        _days,
        "DAYS",
        True,
        "How long metrics are kept",
    ),
    Option(
        "scores_days",
        "OTEL_LLM_COLLECTOR_SCORES_DAYS",
        400,
        _days,
        "DAYS",
        True,
        "How long scores are kept",
    ),
    Option(
        "repriced_costs_days",
        "OTEL_LLM_COLLECTOR_REPRICED_COSTS_DAYS",
        400,
        _days,
        "DAYS",
        True,
        "How long the figures of `otel-llm reprice` are kept",
    ),
    Option(
        "rollup_properties",
        "OTEL_LLM_COLLECTOR_ROLLUP_PROPERTIES",
        [],
        _keys,
        "KEY",
        False,
        "Property by which calls are added up beforehand, too, of few values: department, team ... Repeatable",
    ),
    Option(
        "alerts_days",
        "OTEL_LLM_COLLECTOR_ALERTS_DAYS",
        400,
        _days,
        "DAYS",
        True,
        "How long it is kept which alerts fired and resolved",
    ),
    Option(
        "sql_queries_max",
        "OTEL_LLM_COLLECTOR_SQL_QUERIES_MAX",
        2,
        _count,
        "N",
        True,
        "Queries at once over HTTP; 0: none",
    ),
    Option(
        "sql_seconds_max", "OTEL_LLM_COLLECTOR_SQL_SECONDS_MAX", 30, _seconds, "SECONDS", True, "How long one may take"
    ),
    Option(
        "sql_memory_bytes_max", "OTEL_LLM_COLLECTOR_SQL_MEMORY_BYTES_MAX", _GIB, _size, "BYTES", True, "Memory of all"
    ),
    Option(
        "sql_rows_max", "OTEL_LLM_COLLECTOR_SQL_ROWS_MAX", 1_000_000, _count, "N", True, "Rows of an answer at most"
    ),
    Option(
        "sql_answer_bytes_max",
        "OTEL_LLM_COLLECTOR_SQL_ANSWER_BYTES_MAX",
        64 * _MIB,
        _size,
        "BYTES",
        True,
        "Its bytes at most",
    ),
    Option(
        "sql_tenants_all",
        "OTEL_LLM_COLLECTOR_SQL_TENANTS_ALL",
        [],
        _names,
        "TENANT",
        True,
        "Tenant that sees all rows. Repeatable",
    ),
    Option(
        "sql_niceness", "OTEL_LLM_COLLECTOR_SQL_NICENESS", 10, _count, "N", False, "How far queries stand back: 0 to 19"
    ),
    Option(
        "log_level",
        "OTEL_LLM_COLLECTOR_LOG_LEVEL",
        "warning",
        _one_of(_LEVELS),
        "|".join(_LEVELS),
        True,
        "What is said on stderr. Nothing of what was sent ever is",
    ),
    Option(
        "log_format",
        "OTEL_LLM_COLLECTOR_LOG_FORMAT",
        "text",
        _one_of(_FORMATS),
        "|".join(_FORMATS),
        True,
        "Lines for people, or one JSON object each",
    ),
)
#: Table -> the option that says how long its rows are kept.
KEPT_DAYS: Final = {table: f"{table}_days" for table in TABLES if table not in DERIVED}
#: Names the file itself: neither in it nor reloaded.
CONFIG_ENV: Final = "OTEL_LLM_COLLECTOR_CONFIG"
