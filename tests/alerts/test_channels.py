"""Channels over real sockets: what arrives, what is refused, and what a failure says."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import hashlib
import hmac
import json
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_string, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

from otel_llm_collector.alerts.channels import KINDS, DeliveryError, make_channel
from otel_llm_collector.alerts.channels.guard import is_public
from otel_llm_collector.alerts.message import Message

NOON = dt.datetime(2026, 11, 2, 12, tzinfo=dt.UTC)
MESSAGE = Message(
    id="00000000000000aa",
    breach_id="00000000000000bb",
    event="firing",
    alert="spend",
    kind="threshold",
    labels={"user": "ada <b>"},
    time=NOON,
    fired_at=NOON,
    window_start=NOON - dt.timedelta(minutes=10),
    window_end=NOON,
    value=17.0,
    threshold=10.0,
    baseline=None,
    calls=12,
    text="spend (user ada <b>):\nsum cost 17 USD, above 10 USD",
)


@dataclass
class Hook:
    """A server of HTTP that answers as it is told, in turn; the last answer again and again."""

    answers: list[tuple[int, dict[str, str]]] = field(default_factory=lambda: [(200, {})])
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    port: int = 0

    def serve(self, context: ssl.SSLContext | None = None) -> ThreadingHTTPServer:
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                hook.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                status, headers = hook.answers[min(len(hook.requests), len(hook.answers)) - 1]
                self.send_response(status)
                for name, value in {"content-length": "0", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        hook.port = server.server_address[1]
        return server


Serve = Callable[..., Hook]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[ThreadingHTTPServer] = []

    def start(*answers: tuple[int, dict[str, str]], context: ssl.SSLContext | None = None) -> Hook:
        hook = Hook(list(answers) or [(200, {})])
        servers.append(hook.serve(context))
        threading.Thread(target=servers[-1].serve_forever, args=(0.02,), daemon=True).start()
        return hook

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def webhook(url: str, **more: Any) -> Any:
    return make_channel({"type": "webhook", "url": url, "private_hosts": ["127.0.0.1", "localhost"], **more})


def test_a_webhook_is_json_signed_by_its_secret(serve: Serve) -> None:
    hook = serve()
    webhook(f"http://127.0.0.1:{hook.port}/in?team=a", secret="s3cret").deliver(MESSAGE)
    ((path, headers, body),) = hook.requests
    assert path == "/in?team=a"
    assert headers["host"] == f"127.0.0.1:{hook.port}"
    assert headers["content-type"] == "application/json"
    assert headers["idempotency-key"] == MESSAGE.id
    assert headers["otel-llm-signature"] == "sha256=" + hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    told = json.loads(body)
    assert told["labels"] == {"user": "ada <b>"}
    assert (told["event"], told["value"], told["window_start"]) == ("firing", 17.0, "2026-11-02T11:50:00Z")
    assert Message.from_dict(told) == MESSAGE


def test_slack_gets_its_own_json_without_markup_of_ours(serve: Serve) -> None:
    hook = serve()
    channel = make_channel(
        {"type": "slack", "url": f"http://127.0.0.1:{hook.port}/services/T/B", "private_hosts": ["127.0.0.1"]}
    )
    channel.deliver(MESSAGE)
    assert json.loads(hook.requests[0][2]) == {
        "text": ":rotating_light: spend (user ada &lt;b&gt;):\nsum cost 17 USD, above 10 USD"
    }
    assert channel.place == "127.0.0.1"  # the path is the secret


@pytest.mark.parametrize(
    "name", ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "0.0.0.0", "10.1.2.3", "2130706433"]
)
def test_addresses_inside_are_refused_also_where_a_name_leads_there(serve: Serve, name: str) -> None:
    hook = serve()
    channel = make_channel({"type": "webhook", "url": f"http://{name}:{hook.port}/"})
    with pytest.raises(DeliveryError, match="which is not a public address: private_hosts"):
        channel.deliver(MESSAGE)
    assert hook.requests == []


@pytest.mark.parametrize(
    ("address", "is_it"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("127.0.0.1", False),
        ("192.168.0.1", False),
        ("172.16.0.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::a9fe:a9fe", False),
        ("64:ff9b::5db8:d822", True),
        ("2002:7f00:1::", False),
        ("::127.0.0.1", False),
        ("no address", False),
    ],
)
def test_what_is_public(address: str, is_it: bool) -> None:
    assert is_public(address) is is_it


def test_a_redirect_is_followed_with_its_body_and_checked_again(serve: Serve) -> None:
    last = serve()
    first = serve((307, {"location": f"http://127.0.0.1:{last.port}/moved"}))
    webhook(f"http://127.0.0.1:{first.port}/").deliver(MESSAGE)
    assert last.requests[0][0] == "/moved"
    assert last.requests[0][2] == first.requests[0][2]
    inside = serve((308, {"location": f"http://localhost:{last.port}/"}))
    channel = make_channel(
        {"type": "webhook", "url": f"http://127.0.0.1:{inside.port}", "private_hosts": ["127.0.0.1"]}
    )
    with pytest.raises(DeliveryError, match=r"localhost is .* not a public address"):
        channel.deliver(MESSAGE)
    assert len(last.requests) == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((500, {}), "answered 500"),
        ((302, {"location": "http://127.0.0.1/"}), "answered 302"),  # would become a GET without a body
        ((307, {"location": "file:///etc/passwd"}), "give http"),
        ((307, {"location": "/again"}), "leads from place to place"),
    ],
)
def test_what_is_no_success_says_so(serve: Serve, answer: tuple[int, dict[str, str]], said: str) -> None:
    hook = serve(answer)
    with pytest.raises(DeliveryError, match=said):
        webhook(f"http://127.0.0.1:{hook.port}/secret-path").deliver(MESSAGE)
    assert len(hook.requests) <= 4


def test_when_to_come_again_is_heard_and_nobody_there_is_said(serve: Serve) -> None:
    hook = serve((429, {"retry-after": "120"}))
    with pytest.raises(DeliveryError) as caught:
        webhook(f"http://127.0.0.1:{hook.port}/").deliver(MESSAGE)
    assert caught.value.after_s == 120
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(DeliveryError, match="cannot be reached: NewConnectionError"):
            webhook(f"http://127.0.0.1:{taken.getsockname()[1]}/").deliver(MESSAGE)


@dataclass
class Authority:
    """Somebody who signs certificates, and a server's for localhost."""

    path: Path
    server: ssl.SSLContext


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = trustme.CA()
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    made.cert_pem.write_to_path(path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.issue_cert("localhost").configure_cert(context)
    return Authority(path, context)


def test_tls_is_checked_by_the_name_though_the_address_is_connected_to(serve: Serve, authority: Authority) -> None:
    hook = serve(context=authority.server)
    url = f"https://localhost:{hook.port}/"
    webhook(url, ca_file=str(authority.path)).deliver(MESSAGE)
    assert hook.requests[0][1]["host"] == f"localhost:{hook.port}"
    for wrong in (webhook(url), webhook(url.replace("localhost", "127.0.0.1"), ca_file=str(authority.path))):
        with pytest.raises(DeliveryError, match="SSLError"):
            wrong.deliver(MESSAGE)
    plain = serve()
    leading = serve((307, {"location": f"http://127.0.0.1:{plain.port}/"}), context=authority.server)
    with pytest.raises(DeliveryError, match="leads from https to http"):
        webhook(f"https://localhost:{leading.port}/", ca_file=str(authority.path)).deliver(MESSAGE)


class Office(socketserver.ThreadingTCPServer):
    """A mail server that wants STARTTLS and a login, and keeps what it takes."""

    daemon_threads = True

    def __init__(self, tls: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), Clerk)
        self.tls = tls
        self.mails: list[tuple[list[str], Any]] = []


class Clerk(socketserver.BaseRequestHandler):
    """Speaks as much of SMTP as a client of it needs."""

    server: Office

    def handle(self) -> None:
        self._line(b"220 office")
        self._to: list[str] = []
        self._is_in = False
        with contextlib.suppress(OSError):  # a client that does not like our certificate is gone
            while words := self._read().split():
                self._answer(words[0].upper(), words)
        self.request.close()

    def _answer(self, verb: str, words: list[str]) -> None:
        is_secret = isinstance(self.request, ssl.SSLSocket)
        match verb:
            case "EHLO":
                self._line(b"250-office")
                self._line(b"250 AUTH PLAIN" if is_secret else b"250 STARTTLS")
            case "STARTTLS":
                self._line(b"220 go on")
                self.request = self.server.tls.wrap_socket(self.request, server_side=True)
            case "AUTH":
                self._is_in = is_secret and base64.b64decode(words[2]) == b"\0alerts\0pass"
                self._line(b"235 welcome" if self._is_in else b"535 who are you?")
            case "RCPT" if "nobody" in words[1]:
                self._line(b"550 nobody")
            case "RCPT":
                self._to.append(words[1].partition("<")[2].rstrip(">"))
                self._line(b"250 fine")
            case "DATA" if self._is_in and self._to:
                self._line(b"354 go on")
                lines = list(iter(self._read, "."))
                mail = message_from_string("\r\n".join(lines), policy=policy.default)
                self.server.mails.append((self._to, mail))
                self._line(b"250 taken")
            case _:
                self._line(b"221 bye" if verb == "QUIT" else b"250 fine")

    def _read(self) -> str:
        line = b""
        while not line.endswith(b"\r\n") and (more := self.request.recv(1)):
            line += more
        return line.decode().removesuffix("\r\n")

    def _line(self, line: bytes) -> None:
        self.request.sendall(line + b"\r\n")


@pytest.fixture
def office(authority: Authority) -> Iterator[Office]:
    with Office(authority.server) as office:
        threading.Thread(target=office.serve_forever, args=(0.02,), daemon=True).start()
        yield office
        office.shutdown()


def mailing(office: Office, authority: Authority, **more: Any) -> Any:
    table = {
        "type": "email",
        "host": "localhost",
        "port": office.server_address[1],
        "from": "otel-llm@example.com",
        "to": "ops@example.com",
    }
    return make_channel({**table, "ca_file": str(authority.path), "username": "alerts", "password": "pass", **more})


def test_a_mail_goes_over_starttls_with_a_login(office: Office, authority: Authority) -> None:
    mailing(office, authority).deliver(MESSAGE)
    ((to, mail),) = office.mails
    assert to == ["ops@example.com"]
    assert mail["subject"] == "spend (user ada <b>): sum cost 17 USD, above 10 USD"
    assert mail["message-id"] == "<00000000000000aa@otel-llm>"
    assert "threshold: 10.0" in mail.get_content()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"password": "wrong"}, "SMTPAuthenticationError 535"),
        ({"ca_file": ""}, "SSLCertVerificationError"),
        ({"to": "nobody@example.com"}, "SMTPRecipientsRefused"),
    ],
)
def test_a_mail_that_is_not_taken_says_why(
    office: Office, authority: Authority, more: dict[str, Any], said: str
) -> None:
    with pytest.raises(DeliveryError, match=said):
        mailing(office, authority, **more).deliver(MESSAGE)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"type": "pager"}, "type: give one of email, slack, stdout, webhook"),
        ({"type": "webhook"}, "url: a channel of type webhook needs it"),
        ({"type": "webhook", "url": "ftp://x"}, "url: give http"),
        ({"type": "webhook", "url": "https://x/", "secrte": "a"}, "unknown key 'secrte', did you mean 'secret'"),
        ({"type": "webhook", "url": "https://x/", "secret_env": "NOT_THERE"}, "the variable NOT_THERE is not set"),
        ({"type": "webhook", "url": "https://x/", "ca_file": "/not/there"}, "/not/there is not there"),
        ({"type": "email", "host": "h", "from": "a@b", "to": "c@d", "tls": "maybe"}, "tls: give one of"),
        ({"type": "email", "host": "h", "from": "a@b", "to": "c@d", "username": "a"}, "it goes with password"),
        (
            {"type": "email", "host": "h", "from": "a", "to": "c", "tls": "none", "username": "a", "password": "b"},
            "over TLS alone",
        ),
    ],
)  # fmt: skip
def test_a_channel_that_cannot_be_used_says_what_to_do(table: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make_channel(table)


def test_secrets_may_be_named_as_variables(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = serve()
    monkeypatch.setenv("HOOK_URL", f"http://127.0.0.1:{hook.port}/x")
    make_channel({"type": "slack", "url_env": "HOOK_URL", "private_hosts": "127.0.0.1"}).deliver(MESSAGE)
    assert hook.requests[0][0] == "/x"
    assert list(KINDS) == sorted(KINDS)
