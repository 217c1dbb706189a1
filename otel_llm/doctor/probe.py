"""Does a collector answer? An empty OTLP request, sent once, with a bound on the time that it takes.

The answer is one word or an HTTP status; what it means and what to do is `checks/destination.py`'s to say.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
import threading
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import unquote, urlsplit, urlunsplit

TIMEOUT_S: Final = 2.0
CERTIFICATE: Final = "certificate"
CLIENT_CERTIFICATE: Final = "client certificate"
ERROR: Final = "error"
NOT_GRPC: Final = "not grpc"
NOT_HTTP: Final = "not http"
NOT_TLS: Final = "not tls"
REFUSED: Final = "refused"
SILENT: Final = "silent"
TAKEN: Final = "200"
UNKNOWN_HOST: Final = "unknown host"
#: The first that fits. A connection that was taken and then cut is what a server of another protocol does.
_WORDS: Final[Mapping[type[BaseException], str]] = {
    ssl.SSLCertVerificationError: CERTIFICATE,
    ssl.SSLError: NOT_TLS,
    TimeoutError: SILENT,
    socket.gaierror: UNKNOWN_HOST,
    HTTPException: NOT_HTTP,
    ConnectionRefusedError: REFUSED,
    ConnectionError: NOT_HTTP,
}
#: What OpenSSL says where a server is not content with the certificate of who asks, or misses one.
_ABOUT_OURS: Final = re.compile("ALERT_(CERTIFICATE|BAD_CERTIFICATE|UNKNOWN_CA|UNSUPPORTED_CERT|HANDSHAKE_FAILURE)")
#: What a client of HTTP/2 says first, with an empty SETTINGS frame; a server answers with one of its own.
_HELLO_H2: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
_SETTINGS: Final = 4


def ask_http(
    endpoint: str,
    headers: Mapping[str, str],
    *,
    authorities: str | None = None,
    certificate: tuple[str, str | None] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> str:
    """The status that a POST of no spans is answered with, as text, or one of the words above.

    Proxies of the environment are used as the exporter uses them, redirects are not followed, as it does not either.
    """

    def ask() -> str:
        context = tls(authorities, certificate) if endpoint.startswith("https:") else None
        opener = urllib.request.build_opener(_NoRedirects, urllib.request.HTTPSHandler(context=context))
        address, login = _without_login(endpoint)
        request = urllib.request.Request(address, data=b"", headers={**login, **headers}, method="POST")  # noqa: S310
        request.add_header("content-type", "application/x-protobuf")
        try:
            with opener.open(request, timeout=timeout_s) as response:
                return str(response.status)
        except urllib.error.HTTPError as answer:
            answer.close()
            return str(answer.code)

    word = _bounded(ask, timeout_s)
    if word == NOT_HTTP and endpoint.startswith("https:"):
        server = urlsplit(endpoint).netloc.rpartition("@")[2]
        told = ask_tls(server, authorities=authorities, certificate=certificate, timeout_s=timeout_s)
        return told if told == CLIENT_CERTIFICATE else word
    return word


def ask_grpc(
    address: str,
    *,
    secure: bool,
    authorities: str | None = None,
    certificate: tuple[str, str | None] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> str:
    """TAKEN where a server at `host:port` speaks HTTP/2, which gRPC needs: its services are not asked."""

    def ask() -> str:
        parts = urlsplit(f"//{address}")
        host, port = parts.hostname or "", parts.port or 443
        with socket.create_connection((host, port), timeout_s) as plain:
            if not secure:
                return _greet(plain)
            context = tls(authorities, certificate)
            context.set_alpn_protocols(["h2"])
            with context.wrap_socket(plain, server_hostname=host) as wrapped:
                return _greet(wrapped)

    return _bounded(ask, timeout_s)


def ask_tls(
    address: str,
    *,
    authorities: str | None = None,
    certificate: tuple[str, str | None] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> str:
    """TAKEN where a server at `host:port` speaks TLS and lets us in, whatever it speaks then.

    One that hangs up before we have said anything misses a certificate of ours, and not all say so.
    """

    def ask() -> str:
        parts = urlsplit(f"//{address}")
        host, port = parts.hostname or "", parts.port or 443
        with (
            socket.create_connection((host, port), timeout_s) as plain,
            tls(authorities, certificate).wrap_socket(plain, server_hostname=host) as wrapped,
        ):
            wrapped.settimeout(timeout_s / 2)
            try:
                return TAKEN if wrapped.recv(1) else CLIENT_CERTIFICATE
            except TimeoutError:  # it waits for us to speak
                return TAKEN

    return _bounded(ask, timeout_s)


def _without_login(endpoint: str) -> tuple[str, dict[str, str]]:
    """The endpoint without user and password, and the header that says them, as the exporter does."""
    parts = urlsplit(endpoint)
    user, is_login, server = parts.netloc.rpartition("@")
    if not is_login:
        return endpoint, {}
    login = b64encode(unquote(user).encode()).decode()
    return urlunsplit(parts._replace(netloc=server)), {"authorization": f"Basic {login}"}


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def tls(authorities: str | None, certificate: tuple[str, str | None] | None) -> ssl.SSLContext:
    """What trusts these authorities, a file or a folder, or the system's, and shows this certificate, file and key."""
    is_folder = bool(authorities) and os.path.isdir(str(authorities))
    context = ssl.create_default_context(
        cafile=None if is_folder else authorities, capath=authorities if is_folder else None
    )
    if certificate:
        context.load_cert_chain(*certificate)
    return context


def _greet(connection: socket.socket) -> str:
    connection.sendall(_HELLO_H2)
    frame = connection.recv(9)
    return TAKEN if len(frame) > 3 and frame[3] == _SETTINGS else NOT_GRPC


def _bounded(ask: Callable[[], str], timeout_s: float) -> str:
    """The answer, or SILENT: each step has a timeout of its own, and all together have this one."""
    answers: list[str] = []
    thread = threading.Thread(target=lambda: answers.append(_named(ask)), name="otel-llm-doctor", daemon=True)
    thread.start()
    thread.join(timeout_s)
    return answers[0] if answers else SILENT


def _named(ask: Callable[[], str]) -> str:
    try:
        return ask()
    except Exception as error:
        return name(error)


def name(error: BaseException) -> str:
    """The word for what went wrong."""
    reason = getattr(error, "reason", None)
    if isinstance(error, urllib.error.URLError) and isinstance(reason, BaseException):
        return name(reason)
    if isinstance(error, ssl.SSLError) and _ABOUT_OURS.search(reason or ""):
        return CLIENT_CERTIFICATE
    found = (word for kind, word in _WORDS.items() if isinstance(error, kind))
    return next(found, f"{ERROR}: {type(error).__name__}")
