"""The address of a bucket that holds the tables of a data directory, which has a file that says so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from otel_llm.errors import UsageError
from otel_llm_semconv.tables import TABLES

from ..journal import sync_folder

#: In a data directory whose tables are elsewhere: the address of their parent folder, `s3://bucket/prefix`.
ADDRESS_FILE: Final = "lake-url"
_MESSAGE_CHARS_MAX: Final = 400
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")
_KEY: Final = re.compile(r"[\w.=@/-]+", re.ASCII)
_COLUMNS: Final = frozenset(column.name for columns in TABLES.values() for column in columns)
_SCHEMES: Final = ("abfs", "abfss", "az", "gs", "s3")


def address_of(data: Path) -> str | None:
    """The address that a data directory names for its tables; None where they are in it."""
    try:
        return (data / ADDRESS_FILE).read_text().strip() or None
    except (FileNotFoundError, NotADirectoryError):
        return None


def keep_address(data: Path, address: str) -> None:
    """Have the tables of a data directory, which exists, kept at an address.

    Raises UsageError where they are elsewhere already.
    """
    known = address_of(data)
    if known == address:
        return
    if known is not None or any((data / table).exists() for table in TABLES):
        raise UsageError(f"the tables of {data} are in {known or data} already: name another --data for {address}")
    draft = data / f"{ADDRESS_FILE}.tmp"
    draft.write_text(address + "\n")
    draft.rename(data / ADDRESS_FILE)
    sync_folder(data)


def check_address(text: str) -> str:
    """An address as it is kept. Raises ValueError for what is none."""
    scheme, separator, rest = text.strip().rstrip("/").partition("://")
    if not separator or scheme not in _SCHEMES or not rest.strip("/") or rest.startswith("/"):
        raise ValueError("give the address of a folder in a bucket: s3://BUCKET/FOLDER (also gs, az, abfss)")
    if not _KEY.fullmatch(rest):
        raise ValueError("in an address of a bucket may be a-z, A-Z, 0-9 and . _ - / = @: libraries differ on the rest")
    if odd := column_in(rest):
        raise ValueError(f"readers of Parquet take {odd} for a column: name another folder")
    return f"{scheme}://{rest}"


def column_in(path: str) -> str | None:
    """The first folder of a path whose name would be read as the value of a column of the tables."""
    return next((part for part in path.split("/") if "=" in part and part.partition("=")[0].lower() in _COLUMNS), None)


def in_a_line(error: Exception) -> str:
    """What the libraries of Delta and of object stores say in lines and colours."""
    return " ".join(_COLOURS.sub("", str(error)).split())[:_MESSAGE_CHARS_MAX]
