"""Handing a mail to a server: alerts and reports do it alike."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Collection
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Final

#: How a connection is made secret -> its usual port: by STARTTLS, by TLS from the first byte, not at all.
PORTS: Final = {"starttls": 587, "tls": 465, "none": 25}


class NotTakenError(Exception):
    """The server did not take the mail; the text says why, and nothing of what was sent."""


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server, and who logs in there, if anybody does: over TLS alone, which the caller sees to."""

    host: str
    port: int
    tls: str = "starttls"
    username: str = ""
    password: str = field(default="", repr=False)
    trust: ssl.SSLContext | None = None

    def send(self, mail: EmailMessage, timeout_s: float) -> Collection[str]:
        """Hand it over; the addresses that it was not taken for, others were. Raises NotTakenError."""
        try:
            with self._connected(timeout_s) as server:
                if self.tls == "starttls":
                    server.starttls(context=self._context())
                if self.username:
                    server.login(self.username, self.password)
                return server.send_message(mail).keys()
        except (OSError, smtplib.SMTPException, ValueError) as error:
            raise NotTakenError(f"{self.host} did not take the mail: {_reason(error)}") from error

    def _connected(self, timeout_s: float) -> smtplib.SMTP:
        if self.tls == "tls":
            return smtplib.SMTP_SSL(self.host, self.port, timeout=timeout_s, context=self._context())
        return smtplib.SMTP(self.host, self.port, timeout=timeout_s)

    def _context(self) -> ssl.SSLContext:
        return self.trust or ssl.create_default_context()


def _reason(error: Exception) -> str:
    """What went wrong, without what was sent."""
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{type(error).__name__} {error.smtp_code}"
    return type(error).__name__
