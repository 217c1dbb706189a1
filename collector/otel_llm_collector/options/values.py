"""Readers of single values and of lists: of text, as a flag or a variable has it, or of TOML. They raise ValueError."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from ..lake.address import check_address

MIB: Final = 1024 * 1024
GIB: Final = 1024 * MIB
_SIZE: Final = re.compile(r"^(\d+) ?(|[KMGT]i?B)$")
#: What the sums of several of them fit in.
_BYTES_MAX: Final = 1024**5
_UNITS: Final[Mapping[str, int]] = {
    "": 1,
    **{f"{sign}iB": 1024**power for power, sign in enumerate("KMGT", 1)},
    **{f"{sign}B": 1000**power for power, sign in enumerate("KMGT", 1)},
}


def read_text(value: Any) -> str:
    """Text as it is."""
    if not isinstance(value, str):
        raise ValueError("give text in quotes")
    return value


def read_bucket(value: Any) -> str:
    """The URL of a bucket, '' for none."""
    return check_address(value) if read_text(value) else ""


def read_address(value: Any) -> str:
    """HOST:PORT."""
    host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    if not host or not port.isdigit() or int(port) > 65_535:
        raise ValueError('give HOST:PORT, such as 127.0.0.1:4318, in a file in quotes: "127.0.0.1:4318"')
    if ":" in host.strip("[]") and not (host.startswith("[") and host.endswith("]")):
        raise ValueError(f"give an address of IPv6 in brackets: [{host}]:{port}")
    return str(value)


def read_size(value: Any) -> int:
    """Bytes, with a unit or without."""
    found = _SIZE.match(str(value).strip()) if not isinstance(value, bool) else None
    if found is None or not int(found[1]):
        raise ValueError("give a number of bytes above 0, such as 67108864 or 64MiB")
    if (size := int(found[1]) * _UNITS[found[2]]) > _BYTES_MAX:
        raise ValueError("give at most 1024TiB")
    return size


def at_most(most: int, parse: Callable[[Any], int]) -> Callable[[Any], int]:
    """A reader of numbers up to one."""

    def bounded(value: Any) -> int:
        if (number := parse(value)) > most:
            raise ValueError(f"give at most {most}")
        return number

    return bounded


def read_days(value: Any) -> float:
    """Days, 0 or more."""
    try:
        days = float(value)
    except (TypeError, ValueError):
        days = -1
    if isinstance(value, bool) or not 0 <= days < 1e6:
        raise ValueError("give a number of days, 0 or more")
    return days


def read_count(value: Any) -> int:
    """A whole number."""
    if isinstance(value, bool) or not re.match(r"^\d{1,18}$", str(value).strip()):
        raise ValueError("give a whole number, 0 or more")
    return int(value)


def read_seconds(value: Any) -> float:
    """Seconds, more than none."""
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = 0
    if isinstance(value, bool) or not 0 < seconds < 1e6:
        raise ValueError("give a number of seconds above 0")
    return seconds


def one_of(words: tuple[str, ...]) -> Callable[[Any], str]:
    """A reader of one of these words."""

    def parse(value: Any) -> str:
        if value not in words:
            raise ValueError(f"give one of {', '.join(words)}")
        return str(value)

    return parse


def read_names(value: Any) -> tuple[str, ...]:
    """A list of texts."""
    return tuple(read_text(word) for word in read_list(value))


def read_keys(value: Any) -> tuple[str, ...]:
    """The same, each once."""
    return tuple(dict.fromkeys(map(read_text, read_list(value))))


def read_origins(value: Any) -> tuple[str, ...]:
    """Where pages of browsers are from."""
    found = tuple(read_text(word).rstrip("/") for word in read_list(value))
    for origin in found:
        if origin != "*" and not re.match(r"^https?://[^/]+$", origin):
            raise ValueError(f"{origin}: give https://HOST, as browsers say where a page is from, or *")
    return found


def read_list(value: Any) -> list[Any]:
    """A list as a file gives it, or texts with commas, as a flag or the environment does."""
    given = [value] if isinstance(value, str | Mapping) else value
    if not isinstance(given, list | tuple):
        raise ValueError("give a list")
    return [word for one in given for word in (split(one) if isinstance(one, str) else [one])]


def split(text: str) -> list[str]:
    """The texts between commas."""
    return [word.strip() for word in text.split(",") if word.strip()]
