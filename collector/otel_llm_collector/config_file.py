"""What the collector is told: flags over environment over file over defaults, and where each value came from."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Final

from otel_llm.errors import UsageError
from otel_llm.settings import SETTINGS

from .forward import Destination
from .options import CONFIG_ENV, OPTIONS, Config, KeyedError, Option, UnknownKeyError

_BY_NAME: Final = {row.name: row for row in OPTIONS}
_HIDDEN: Final = "(hidden)"
_PREFIX: Final = "OTEL_LLM_"
_NEAR: Final = 0.88


class Configured:
    """The values in force, and where each came from: 'flag', 'environment', 'file' or 'default'."""

    def __init__(self, flags: Mapping[str, Any], environment: Mapping[str, str], path: Path | None) -> None:
        """Raises UsageError, naming the file and its line, the variable or the flag, for what cannot be used."""
        written = _read(path) if path else {}
        self.source: dict[str, str] = {}
        values: dict[str, Any] = {}
        for row in OPTIONS:
            place, given = _chosen(row, flags, environment, written)
            self.source[row.name] = place
            try:
                values[row.name] = row.parse(given)
            except (ValueError, UsageError) as error:
                raise UsageError(f"{_where(row, place, path, error)}: {error}") from error
        self.config = Config(**values)
        self._check()

    def _check(self) -> None:
        config = self.config
        if bool(config.tls_certificate) != bool(config.tls_key):
            raise UsageError("TLS needs both tls_certificate and tls_key")
        if config.tls_client_authority and not config.tls_certificate:
            raise UsageError("tls_client_authority needs tls_certificate and tls_key: without TLS nobody shows one")
        for path in (config.tls_certificate, config.tls_key, config.tls_client_authority):
            if path and not Path(path).is_file():
                raise UsageError(f"{path} is not there: name another file of certificates or keys")
        for shown, count in Counter(target.shown for target in config.targets).items():
            if count > 1:
                raise UsageError(f"forward names {shown} twice: tell them apart, as {shown}#a and {shown}#b")

    def as_toml(self) -> str:
        """The values as a file that gives the same again; secrets are left out, each line says where it came from."""
        tables: list[str] = []
        lines: list[str] = []
        for row in OPTIONS:
            value, source = getattr(self.config, row.name), self.source[row.name]
            if row.name == "tokens":
                tables += _tokens_table(value, source)
            elif row.name == "deployments":
                tables += _deployments_table(value, source)
            elif row.name in ("forward", "forward_enriched"):
                tables += [line for one in value for line in _target_table(one, source)]
            else:
                lines.append(f"{row.name} = {_toml(value)}  # {source}")
        return "\n".join([*lines, *tables]) + "\n"


def misspelled(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Variables with our prefix that nothing reads, and the one that each is likely meant to be.

    Others may be for a later version, or for a program of the user's.
    """
    known = [CONFIG_ENV, *(row.env for row in (*OPTIONS, *SETTINGS))]
    for name in sorted(environment):
        if name.startswith(_PREFIX) and name not in known:
            for near in difflib.get_close_matches(name, known, n=1, cutoff=_NEAR):
                yield name, near


def _chosen(
    row: Option, flags: Mapping[str, Any], environment: Mapping[str, str], written: Mapping[str, Any]
) -> tuple[str, Any]:
    if flags.get(row.name):
        return "flag", flags[row.name]
    if environment.get(row.env, "").strip():
        return "environment", environment[row.env].strip()
    if row.name in written:
        return "file", written[row.name]
    return "default", row.default


def _read(path: Path) -> dict[str, Any]:
    try:
        raw = path.read_bytes()
        written = tomllib.loads(raw.decode())
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; name another file with --config") from error
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path} line {line}: not UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is no TOML: {error}") from error
    for name in written:
        if name not in _BY_NAME:
            raise UsageError(f"{path} line {_line_of(path, name)}: {UnknownKeyError(name, list(_BY_NAME))}")
    return written


def _where(row: Option, place: str, path: Path | None, error: Exception) -> str:
    if place == "flag":
        return row.flag
    if place == "environment":
        return row.env
    line = _line_of(path, row.name) if path else 0
    if path and isinstance(error, KeyedError):
        line = _line_of(path, error.key, _table_line(path, row.name, error.number) or line)
    return f"{path} line {line}: {row.name}"


def _line_of(path: Path, key: str, after: int = 0) -> int:
    """The first line that begins with a key, or names a table of it; the library's parser keeps no places.

    Lines before `after` do not count; where none follows with the key, it is that one.
    """
    wanted = re.compile(
        rf"""^\s*(\[\[?\s*)?["']?{re.escape(key)}["']?\s*[=.\]]|[{{,]\s*["']?{re.escape(key)}["']?\s*="""
    )
    lines = path.read_text().splitlines()
    found = (number for number, line in enumerate(lines, 1) if number >= after and wanted.search(line))
    return next(found, after or 1)


def _table_line(path: Path, name: str, number: int) -> int:
    """The line at which a table of a list of them begins, each with its own `[[name]]`; 0 where they are inline."""
    head = re.compile(rf"""^\s*\[\[\s*["']?{re.escape(name)}["']?\s*\]\]""")
    lines = [at for at, line in enumerate(path.read_text().splitlines(), 1) if head.search(line)]
    return lines[number] if number < len(lines) else 0


def _tokens_table(tokens: Mapping[str, str], source: str) -> list[str]:
    if not tokens:
        return []
    tenants = sorted(set(tokens.values()))
    return ["", f"[tokens]  # {source}", *(f"# {_toml(tenant)} = {_toml(_HIDDEN)}" for tenant in tenants)]


def _deployments_table(deployments: Mapping[str, str], source: str) -> list[str]:
    if not deployments:
        return []
    return ["", f"[deployments]  # {source}", *(f"{_toml(name)} = {_toml(deployments[name])}" for name in deployments)]


def _target_table(target: Destination, source: str) -> list[str]:
    plain = {**asdict(target), "url": target.shown}
    del plain["headers"]
    default = {field.name: field.default for field in fields(Destination)}
    said = {name: value for name, value in plain.items() if value != default[name]}
    secrets = [f"# headers: {', '.join(sorted(target.headers))} {_HIDDEN}"] if target.headers else []
    if target.shown != target.url:
        secrets.append(f"# url: what may be a password in it {_HIDDEN}")
    return [
        "",
        f"[[forward]]  # {source}",
        *(f"{name} = {_toml(value)}" for name, value in said.items()),
        *secrets,
    ]


def _toml(value: Any) -> str:
    """A scalar or a list of texts as TOML spells it, which is as JSON does, but for one control sign."""
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False).replace("\x7f", "\\u007f")
