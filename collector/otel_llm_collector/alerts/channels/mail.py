"""An alert as a mail, by SMTP."""

from __future__ import annotations

import logging
import smtplib
from collections.abc import Mapping
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any, Final

from ..message import Message
from .delivery import TIMEOUT_S, DeliveryError, text_of, texts_of, trust

_LOG = logging.getLogger(__name__)
KEYS: Final = {
    "host": "The mail server",
    "port": "Its port. Default: 587, 465 for tls, 25 for none",
    "tls": "`starttls`, `tls` from the first byte, or `none`. Default: `starttls`",
    "username": "Who logs in, if anybody does",
    "password": "With what",
    "from": "Whose mail it is",
    "to": "Whose post box it goes to; a list, or one",
    "ca_file": "Authorities to believe, PEM, in the place of the system's",
}
_PORTS: Final = {"starttls": 587, "tls": 465, "none": 25}


class Email:
    """One mail a time that it fires or resolves."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        self._host, self._from, self._to = text_of(table, "host"), text_of(table, "from"), texts_of(table, "to")
        self._tls = text_of(table, "tls", "starttls")
        if self._tls not in _PORTS:
            raise ValueError(f"tls: give one of {', '.join(_PORTS)}")
        self._port = table.get("port", _PORTS[self._tls])
        if isinstance(self._port, bool) or not isinstance(self._port, int) or not 0 < self._port < 65_536:
            raise ValueError("port: give a number from 1 to 65535")
        self._username, self._password = text_of(table, "username"), text_of(table, "password")
        if bool(self._username) != bool(self._password):
            raise ValueError("username: it goes with password, and password with it")
        if self._username and self._tls == "none":
            raise ValueError("tls: a password is sent over TLS alone")
        self._trust = trust(table)

    @property
    def place(self) -> str:
        return ", ".join(self._to)

    def deliver(self, message: Message) -> None:
        """Hand it to the server. Raises DeliveryError."""
        try:
            with self._connected() as server:
                if self._tls == "starttls":
                    server.starttls(context=self._trust)
                if self._username:
                    server.login(self._username, self._password)
                if refused := server.send_message(self._mail(message)):
                    _LOG.warning("%s did not take the mail for %s", self._host, ", ".join(refused))
        except (OSError, smtplib.SMTPException, ValueError) as error:
            raise DeliveryError(f"{self._host} did not take the mail: {_reason(error)}") from error

    def _connected(self) -> smtplib.SMTP:
        if self._tls == "tls":
            return smtplib.SMTP_SSL(self._host, self._port, timeout=TIMEOUT_S, context=self._trust)
        return smtplib.SMTP(self._host, self._port, timeout=TIMEOUT_S)

    def _mail(self, message: Message) -> EmailMessage:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = self._from, ", ".join(self._to), message.title
        mail["Date"] = format_datetime(message.time)
        mail["Message-ID"] = f"<{message.id}@otel-llm>"  # sent twice, it is shown once
        mail.set_content("\n".join(f"{name}: {value}" for name, value in message.as_dict().items()))
        return mail


def _reason(error: Exception) -> str:
    """What went wrong, without what was sent."""
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{type(error).__name__} {error.smtp_code}"
    return type(error).__name__
