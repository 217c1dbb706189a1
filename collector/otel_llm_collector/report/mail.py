"""A report as a mail: the page attached, the figures in its text."""

from __future__ import annotations

import os
import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Final
from urllib.parse import unquote, urlsplit

from otel_llm.errors import OtelLlmError, UsageError

from .contents import Report
from .pages import html, markdown, when

PASSWORD_ENV: Final = "OTEL_LLM_SMTP_PASSWORD"  # noqa: S105 - the name of it
_TIMEOUT_S: Final = 30
#: Scheme -> its port: STARTTLS, TLS from the first byte, none of it (no password then).
_PORTS: Final = {"smtp": 587, "smtps": 465, "smtp+plain": 25}


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server, and who logs in there, if anybody does."""

    scheme: str
    host: str
    port: int
    user: str | None

    @classmethod
    def of(cls, url: str) -> Server:
        """`smtp://USER@HOST:PORT`, `smtps://...` or `smtp+plain://...`. Raises UsageError."""
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise UsageError(f"cannot read --smtp {url!r}: write smtp://USER@HOST:PORT, or smtps://, or smtp+plain://")
        if parts.password:
            raise UsageError(f"the password of --smtp goes into ${PASSWORD_ENV}, not on the command line")
        user = unquote(parts.username) if parts.username else None
        if user and parts.scheme == "smtp+plain":
            raise UsageError("--smtp smtp+plain:// sends no password: use smtp:// (STARTTLS) or smtps://")
        return cls(parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme], user)


def send(report: Report, server: Server, sender: str, receivers: Sequence[str]) -> None:
    """Hand the mail to the server. Raises OtelLlmError where it does not take it for everybody."""
    try:
        with _connected(server) as connection:
            refused = connection.send_message(_mail(report, sender, receivers))
    except (OSError, smtplib.SMTPException) as error:
        told = f" ({error.smtp_code})" if isinstance(error, smtplib.SMTPResponseException) else ""
        raise OtelLlmError(
            f"{server.host}:{server.port} did not take the mail: {type(error).__name__}{told}"
        ) from error
    if refused:
        raise OtelLlmError(f"{server.host} did not take the mail for {', '.join(refused)}")


def _connected(server: Server) -> smtplib.SMTP:
    if server.scheme == "smtps":
        connection: smtplib.SMTP = smtplib.SMTP_SSL(
            server.host, server.port, timeout=_TIMEOUT_S, context=ssl.create_default_context()
        )
    else:
        connection = smtplib.SMTP(server.host, server.port, timeout=_TIMEOUT_S)
        if server.scheme == "smtp":
            connection.starttls(context=ssl.create_default_context())
    if server.user:
        connection.login(server.user, os.environ.get(PASSWORD_ENV, ""))
    return connection


def _mail(report: Report, sender: str, receivers: Sequence[str]) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = sender, ", ".join(receivers), f"LLM report, {when(report)}"
    mail.set_content(markdown(report))
    mail.add_attachment(html(report).encode(), maintype="text", subtype="html", filename="report.html")
    return mail
