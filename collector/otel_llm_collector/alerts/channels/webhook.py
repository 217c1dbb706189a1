"""An alert as a POST of JSON, signed, to an address outside."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import SplitResult, urljoin, urlsplit

import urllib3

from ..message import Message
from .delivery import TIMEOUT_S, DeliveryError, text_of, texts_of, trust
from .guard import addresses_of

KEYS: Final = {
    "url": "Where it is sent, `https://...`",
    "secret": "Signs the body: `otel-llm-signature: sha256=` and its HMAC-SHA256 in hex",
    "private_hosts": "Names of hosts that may be at a private address: others at one are refused",
    "ca_file": "Authorities to believe, PEM, in the place of the system's",
}
SIGNATURE: Final = "otel-llm-signature"
_PORTS: Final = {"http": 80, "https": 443}
#: Those that keep method and body.
_REDIRECTS: Final = frozenset({307, 308})
_REDIRECTS_MAX: Final = 3


class Post:
    """Sends JSON to one URL, and to where that leads, all of them checked."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        self._url = text_of(table, "url")
        self._private_hosts = texts_of(table, "private_hosts")
        self._trust = trust(table)
        _split(self._url, ValueError)

    @property
    def place(self) -> str:
        """The host: a path may be a secret."""
        return str(urlsplit(self._url).hostname)

    def send(self, body: bytes, headers: Mapping[str, str]) -> None:
        """POST it. Raises DeliveryError unless the answer is 2xx."""
        url = self._url
        for _ in range(_REDIRECTS_MAX + 1):
            target = _split(url, DeliveryError)
            status, answered = self._post(target, body, headers)
            if 200 <= status < 300:
                return
            location = answered.get("location")
            if status not in _REDIRECTS or not location:
                raise DeliveryError(f"{self.place} answered {status}", _seconds(answered.get("retry-after")))
            url = urljoin(url, location)
            if target.scheme == "https" and not url.startswith("https:"):
                raise DeliveryError(f"{self.place} leads from https to {urlsplit(url).scheme}")
        raise DeliveryError(f"{self.place} leads from place to place")

    def _post(self, target: SplitResult, body: bytes, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str]]:
        host, port = str(target.hostname), target.port or _PORTS[target.scheme]
        path = f"{target.path or '/'}{f'?{target.query}' if target.query else ''}"
        headers = {**headers, "host": target.netloc.rpartition("@")[2], "user-agent": "otel-llm"}
        failure = ""
        for address in addresses_of(host, port, self._private_hosts):
            try:
                with contextlib.closing(self._pool(target.scheme, address, port, host)) as pool:
                    answer = pool.urlopen(
                        "POST", path, body, headers, retries=False, redirect=False, preload_content=False
                    )
                    answer.close()
                    return answer.status, answer.headers
            except urllib3.exceptions.HTTPError as error:
                failure = f"{host} cannot be reached: {type(error).__name__}"
        raise DeliveryError(failure or f"{host} has no address")

    def _pool(self, scheme: str, address: str, port: int, host: str) -> urllib3.HTTPConnectionPool:
        if scheme == "http":
            return urllib3.HTTPConnectionPool(address, port, timeout=TIMEOUT_S)
        return urllib3.HTTPSConnectionPool(
            address, port, timeout=TIMEOUT_S, ssl_context=self._trust, server_hostname=host, assert_hostname=host
        )


class Webhook:
    """The alert as JSON, for programs."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        self._post, self._secret = Post(table), text_of(table, "secret")

    @property
    def place(self) -> str:
        return self._post.place

    def deliver(self, message: Message) -> None:
        """POST it, signed. Raises DeliveryError."""
        body = json.dumps(message.as_dict(), ensure_ascii=False).encode()
        headers = {"content-type": "application/json", "idempotency-key": message.id}
        if self._secret:
            headers[SIGNATURE] = f"sha256={hmac.new(self._secret.encode(), body, hashlib.sha256).hexdigest()}"
        self._post.send(body, headers)


def _split(url: str, error: type[Exception]) -> SplitResult:
    """The parts of a URL that can be sent to; `error` for another."""
    try:
        target = urlsplit(url)
        if target.scheme in _PORTS and target.hostname and (target.port is None or target.port):
            return target
    except ValueError:
        pass
    raise error("url: give http(s)://HOST/PATH")


def _seconds(after: str | None) -> float | None:
    return float(after) if after and after.isdecimal() else None
