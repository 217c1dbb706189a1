"""Where requests are handed on to, and what of them: one row of the configuration."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote_to_bytes, urlsplit, urlunsplit

from otel_llm.errors import UsageError

#: URL scheme -> True where it is gRPC, and True where it is encrypted.
SCHEMES: Final[Mapping[str, tuple[bool, bool]]] = {
    "grpc": (True, False),
    "grpcs": (True, True),
    "http": (False, False),
    "https": (False, True),
}
QUEUE_BYTES_MAX: Final = 1024**3
#: Headers as HTTP and gRPC both take them; what is none would be refused with every request.
_HEADER: Final = re.compile(r"[a-z0-9_.-]+")
_HEADER_VALUE: Final = re.compile(r"[\x20-\x7e]*")
#: Of a URL the user and password, and what stands behind a question mark: there may be tokens.
_SECRETS: Final = re.compile(r"(?:^|(?<=//))[^/?#]*@|\?[^#]*")


@dataclass(frozen=True, slots=True)
class Destination:
    """One target. `only_llm` leaves out spans and records that have to do with no model, `without_content` prompts and
    answers and what may quote them; `enriched` adds our cost and the conventions' attributes to the spans of others.

    `queue_bytes_max` is how much of the journal and archive may wait for it. What stands behind a `#` is not sent: it
    tells targets of one URL apart.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    only_llm: bool = False
    without_content: bool = False
    enriched: bool = False
    queue_bytes_max: int = QUEUE_BYTES_MAX

    def __post_init__(self) -> None:
        check_url(self.url)
        for name, value in self.headers.items():
            if not _HEADER.fullmatch(name.lower()):
                raise UsageError(f"forward to {self.shown}: {name!r} is no name of a header")
            if not _HEADER_VALUE.fullmatch(value):
                raise UsageError(f"forward to {self.shown}: the value of the header {name} is no printable ASCII")
        if self.queue_bytes_max < 1:
            raise UsageError(f"forward to {self.shown}: queue_bytes_max is a number of bytes above 0")

    @property
    def id(self) -> str:
        """Names its place on disk: the same for the same URL, whatever else changes."""
        return hashlib.sha256(self.url.encode()).hexdigest()[:12]

    @property
    def shown(self) -> str:
        """The URL without what may be a secret in it."""
        return without_secrets(self.url)

    @property
    def address(self) -> str:
        """HOST:PORT, or HOST alone."""
        return urlsplit(self.url).netloc.rpartition("@")[2]

    @property
    def sent_headers(self) -> dict[str, str]:
        """The headers in lower case, with the URL's user and password where they name no others."""
        user, separator, _ = urlsplit(self.url).netloc.rpartition("@")
        basic = base64.b64encode(unquote_to_bytes(user)).decode()
        known = {"authorization": f"Basic {basic}"} if separator else {}
        return known | {name.lower(): value for name, value in self.headers.items()}

    def url_of(self, path: str) -> str:
        """Where requests of a signal go over HTTP: its path is appended to the URL's."""
        parts = urlsplit(self.url)
        base = parts.path.rstrip("/").removesuffix("/v1/traces")
        return urlunsplit((parts.scheme, self.address, base + path, parts.query, ""))


def check_url(url: str) -> str:
    """The URL of a target, or UsageError with what is wrong."""
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none, a bracket that does not close
        is_good = False
    if not is_good:
        raise UsageError(f"--forward {without_secrets(url)!r}: give http://HOST:PORT, https://, grpc:// or grpcs://")
    return url


def without_secrets(url: str) -> str:
    """A URL, or what should be one, as it can be shown."""
    return _SECRETS.sub("", url)
