"""A collector's pages over HTTP, with the certificates that the exporter would use, and why they cannot be had."""

from __future__ import annotations

import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Final
from urllib.parse import unquote, urlsplit

from ..errors import UsageError
from . import probe

HEADERS: Final = "OTEL_EXPORTER_OTLP_HEADERS"
_AUTHORITIES: Final = "OTEL_EXPORTER_OTLP_CERTIFICATE"
_CERTIFICATE: Final = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"
_KEY: Final = "OTEL_EXPORTER_OTLP_CLIENT_KEY"
_TIMEOUT_S: Final = 5.0
_GRPC_PORT: Final = "grpc port"
_WANTS_TLS: Final = "wants tls"
#: What a handshake with a server that speaks TLS may end with.
_SPEAKS_TLS: Final = frozenset({probe.TAKEN, probe.CERTIFICATE, probe.CLIENT_CERTIFICATE})
_START: Final = "start `otel-llm collector`, or correct host and port"

#: Why no page was had -> what that means, and what to do.
_REASONS: Final[Mapping[str, tuple[str, str]]] = {
    probe.CERTIFICATE: (
        "shows a certificate that is not trusted: its authority is unknown, it has ended or is for another host",
        f"{_AUTHORITIES}=FILE with the authority that signed it, and the host that it is for",
    ),
    probe.CLIENT_CERTIFICATE: (
        "wants a certificate of who asks, of an authority that it trusts",
        f"{_CERTIFICATE}=FILE and {_KEY}=FILE, as its operator gives them",
    ),
    probe.NOT_HTTP: ("does not speak HTTP", "HTTP is usually port 4318"),
    probe.NOT_TLS: ("does not speak TLS", "write http:// instead of https://"),
    probe.REFUSED: ("does not answer: nothing listens there", _START),
    probe.SILENT: (f"does not answer within {_TIMEOUT_S:g} s", "look at that server or the firewall"),
    probe.UNKNOWN_HOST: ("is a host that nobody knows", "correct its name"),
    _GRPC_PORT: ("is a port for gRPC, not for HTTP", "ask at the port for HTTP, usually 4318"),
    _WANTS_TLS: ("speaks TLS", "write https:// instead of http://"),
}


@dataclass(frozen=True, slots=True)
class Door:
    """A collector at a URL, and who asks it."""

    url: str
    authorities: str | None
    certificate: tuple[str, str | None] | None
    tls: ssl.SSLContext

    @classmethod
    def of(cls, url: str) -> Door:
        """With what the environment says. Raises UsageError for a file that cannot be used."""
        authorities = os.environ.get(_AUTHORITIES) or None
        shown = os.environ.get(_CERTIFICATE)
        certificate = (shown, os.environ.get(_KEY) or None) if shown else None
        try:
            return cls(url, authorities, certificate, probe.tls(authorities, certificate))
        except OSError as error:  # an SSLError is one
            names = " and ".join(name for name in (_AUTHORITIES, _CERTIFICATE, _KEY) if os.environ.get(name))
            raise UsageError(f"{names}: {error.strerror or error}; name files that are PEM") from None

    def get(self, path: str) -> tuple[int, str]:
        """The status and text of a page; 0 and a word where nothing answers."""
        request = urllib.request.Request(self.url + path, headers=_authorization())  # noqa: S310 - http or https
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S, context=self.tls) as answer:  # noqa: S310
                return answer.status, answer.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(errors="replace")
        except (OSError, HTTPException, ValueError) as error:
            return 0, probe.name(error)

    def why_not(self, word: str) -> tuple[str, str]:
        """What the word of a page that was not had means, and what to do. It asks once more, in other languages."""
        if word in (probe.NOT_HTTP, probe.NOT_TLS):
            word = self._other_language() or word
        return _REASONS.get(word, (f"does not answer ({word})", _START))

    def _other_language(self) -> str:
        parts = urlsplit(self.url)
        is_secure = parts.scheme == "https"
        address = f"{parts.netloc.rpartition('@')[2]}{'' if parts.port else ':443' if is_secure else ':80'}"
        for secure in (is_secure, False):
            told = probe.ask_grpc(address, secure=secure, authorities=self.authorities, certificate=self.certificate)
            if told == probe.TAKEN:
                return _GRPC_PORT
        told = probe.ask_tls(address, authorities=self.authorities, certificate=self.certificate)
        if is_secure:
            return told if told in (probe.CLIENT_CERTIFICATE, probe.CERTIFICATE) else ""
        return _WANTS_TLS if told in _SPEAKS_TLS else ""


def _authorization() -> dict[str, str]:
    """The token that the exporter would send."""
    pairs = (pair.partition("=") for pair in os.environ.get(HEADERS, "").split(","))
    found = {name.strip().lower(): unquote(value.strip()) for name, _, value in pairs}
    return {"authorization": found["authorization"]} if "authorization" in found else {}
