"""Where the data lies, for every command that reads or writes it."""

from __future__ import annotations

import hashlib
import os
import tempfile
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from otel_llm.errors import UsageError
from otel_llm.settings import pairs
from otel_llm_semconv.pricing import quote, source
from otel_llm_semconv.pricing.contracts import BadContractsError, Contracts, read

from .lake.address import check_address, column_in, keep_address

DEPLOYMENTS_ENV: Final = "OTEL_LLM_DEPLOYMENTS"
CONTRACTS_ENV: Final = "OTEL_LLM_CONTRACTS"
ALERTS_ENV: Final = "OTEL_LLM_ALERTS"
DATA_ENV: Final = "OTEL_LLM_DATA"
DATA_DEFAULT: Final = "./otel-llm-data"
_CONTROL_OR_UNDECODABLE: Final = frozenset({"Cc", "Cs"})


def data_dir(option: str | os.PathLike[str] | None = None) -> Path:
    """The data directory: the `--data` option, else `OTEL_LLM_DATA`, else `./otel-llm-data`. Need not exist.

    The URL of a bucket, as a collector's `--lake` has it, is a directory that names it. Raises UsageError for a place
    that cannot hold a lake.
    """
    given = option or os.environ.get(DATA_ENV) or DATA_DEFAULT
    return _stand_in(given) if "://" in os.fspath(given) else check_data_dir(Path(given))


def _stand_in(url: str | os.PathLike[str]) -> Path:
    """A directory that names a bucket, for commands that are told of no other."""
    try:
        address = check_address(os.fspath(url))
    except ValueError as error:
        raise UsageError(f"{url}: {error}") from error
    name = hashlib.sha256(address.encode(), usedforsecurity=False).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"otel-llm-lakes-{os.getuid()}" / name
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    keep_address(folder, address)
    return folder


def contracts(option: str | os.PathLike[str] | None = None, deployments: Mapping[str, str] | None = None) -> Contracts:
    """The contract prices of a file: the option's, else that of `OTEL_LLM_CONTRACTS`, else none; and the deployments.

    Those are given, else what `OTEL_LLM_DEPLOYMENTS` says. Raises UsageError where there is no such file, or what is in
    it, or the variable, cannot be used.
    """
    path = option or os.environ.get(CONTRACTS_ENV)
    try:
        known = pairs(os.environ.get(DEPLOYMENTS_ENV, "")) if deployments is None else deployments
    except ValueError as error:
        raise UsageError(f"{DEPLOYMENTS_ENV}: {error}") from error
    try:
        return replace(read(Path(path)) if path else Contracts(), deployments=known)
    except BadContractsError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; name another file of contracts") from error


def use_prices(option: Path | None) -> None:
    """Price by the list of this file from now on, where one is given. Raises UsageError where it cannot be used."""
    if option is None:
        return
    try:
        quote.use(source.read(option))
    except source.BadPricesError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise UsageError(f"{option}: {error.strerror}; name another price list") from error


def check_data_dir(path: Path) -> Path:
    """The path, if Delta tables can lie there: their log names places as URLs, and not every path comes back as it was.

    Raises UsageError for a path (links followed) with a %-escape, a backslash, a control sign or undecodable bytes, or
    a folder such as tenant=north, from which readers of Parquet fill a column of the tables.
    """
    for place in (os.path.abspath(path), os.path.realpath(path)):
        if odd := _not_kept_by_urls(place) or _read_as_a_column(place):
            shown = repr(os.fspath(path)).encode("ascii", "backslashreplace").decode()
            raise UsageError(f"the data directory {shown} cannot be used, its path holds {odd}: name another place")
    return path


def _read_as_a_column(place: str) -> str | None:
    odd = column_in(place)
    return odd and f"{odd}, which readers of Parquet take for a column"


def _not_kept_by_urls(place: str) -> str | None:
    """What of the path a URL would change, in words; None where nothing."""
    if any(unicodedata.category(sign) in _CONTROL_OR_UNDECODABLE for sign in place):
        return "control signs or bytes that are no text"
    if os.sep != "\\" and "\\" in place:
        return "a backslash"
    if unquote(place) != place:
        return "what reads as a URL escape, such as %20"
    return None
