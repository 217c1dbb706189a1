"""A report as a mail: the page attached, the figures in its text."""

from __future__ import annotations

import os
from collections.abc import Sequence
from email.message import EmailMessage
from typing import Final
from urllib.parse import unquote, urlsplit

from otel_llm.errors import OtelLlmError, UsageError

from ..smtp import PORTS, NotTakenError, Server
from .contents import Report
from .pages import html, markdown, when

PASSWORD_ENV: Final = "OTEL_LLM_SMTP_PASSWORD"  # noqa: S105 - the name of it
_TIMEOUT_S: Final = 30.0
_SCHEMES: Final = {"smtp": "starttls", "smtps": "tls", "smtp+plain": "none"}


def server_of(url: str) -> Server:
    """`smtp://USER@HOST:PORT` (STARTTLS), `smtps://...` or `smtp+plain://...`. Raises UsageError."""
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise UsageError(f"cannot read --smtp {url!r}: write smtp://USER@HOST:PORT, or smtps://, or smtp+plain://")
    if parts.password:
        raise UsageError(f"the password of --smtp goes into ${PASSWORD_ENV}, not on the command line")
    user, tls = unquote(parts.username or ""), _SCHEMES[parts.scheme]
    if user and tls == "none":
        raise UsageError("--smtp smtp+plain:// sends no password: use smtp:// (STARTTLS) or smtps://")
    return Server(parts.hostname, parts.port or PORTS[tls], tls, user, os.environ.get(PASSWORD_ENV, ""))


def send(report: Report, server: Server, sender: str, receivers: Sequence[str]) -> None:
    """Hand the mail to the server. Raises OtelLlmError where it does not take it for everybody."""
    try:
        refused = server.send(_mail(report, sender, receivers), _TIMEOUT_S)
    except NotTakenError as error:
        raise OtelLlmError(str(error)) from error
    if refused:
        raise OtelLlmError(f"{server.host} did not take the mail for {', '.join(refused)}")


def _mail(report: Report, sender: str, receivers: Sequence[str]) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = sender, ", ".join(receivers), f"LLM report, {when(report)}"
    mail.set_content(markdown(report))
    mail.add_attachment(html(report).encode(), maintype="text", subtype="html", filename="report.html")
    return mail
