"""An alert as a mail, by SMTP."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any, Final

from ...smtp import PORTS, NotTakenError, Server
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


class Email:
    """One mail a time that it fires or resolves."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        host, self._from, self._to = text_of(table, "host"), text_of(table, "from"), texts_of(table, "to")
        tls = text_of(table, "tls", "starttls")
        if tls not in PORTS:
            raise ValueError(f"tls: give one of {', '.join(PORTS)}")
        port = table.get("port", PORTS[tls])
        if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65_536:
            raise ValueError("port: give a number from 1 to 65535")
        username, password = text_of(table, "username"), text_of(table, "password")
        if bool(username) != bool(password):
            raise ValueError("username: it goes with password, and password with it")
        if username and tls == "none":
            raise ValueError("tls: a password is sent over TLS alone")
        self._server = Server(host, port, tls, username, password, trust(table))

    @property
    def place(self) -> str:
        return ", ".join(self._to)

    def deliver(self, message: Message) -> None:
        """Hand it to the server. Raises DeliveryError."""
        try:
            refused = self._server.send(self._mail(message), TIMEOUT_S)
        except NotTakenError as error:
            raise DeliveryError(str(error)) from error
        if refused:
            _LOG.warning("%s did not take the mail for %s", self._server.host, ", ".join(refused))

    def _mail(self, message: Message) -> EmailMessage:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = self._from, ", ".join(self._to), message.title
        mail["Date"] = format_datetime(message.time)
        mail["Message-ID"] = f"<{message.id}@otel-llm>"  # sent twice, it is shown once
        mail.set_content("\n".join(f"{name}: {value}" for name, value in message.as_dict().items()))
        return mail
