"""Whom alerts are told: one row a kind of channel, and the keys that its `[channels.NAME]` table has."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Protocol

from ...options import UnknownKeyError
from ..message import Message
from . import mail, slack, stdout, webhook
from .delivery import DeliveryError

STDOUT: Final = "stdout"
_ENV: Final = "_env"


class Channel(Protocol):
    """Somebody who is told. `place` says where that is, without a secret."""

    @property
    def place(self) -> str: ...

    def deliver(self, message: Message) -> None:
        """Tell them. Raises DeliveryError where that failed and may be tried again."""


class Kind(NamedTuple):
    """A kind of channel: what makes one of its keys, each key's meaning, those that have to be there."""

    make: Any
    keys: Mapping[str, str]
    needs: tuple[str, ...]


KINDS: Final[dict[str, Kind]] = {
    "email": Kind(mail.Email, mail.KEYS, ("host", "from", "to")),
    "slack": Kind(slack.Slack, slack.KEYS, ("url",)),
    STDOUT: Kind(stdout.Stdout, {}, ()),
    "webhook": Kind(webhook.Webhook, webhook.KEYS, ("url",)),
}
#: What can be named as a variable of the environment: `secret_env = "NAME"`.
SECRETS: Final = ("url", "secret", "password")


class MisusedKeyError(ValueError):
    """A key whose value is none. `key` is its name."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key}: {reason}")
        self.key = key


def make_channel(table: Mapping[str, Any]) -> Channel:
    """The channel of a table. Raises ValueError, whose `key` says where it is wrong."""
    kind = table.get("type")
    if not isinstance(kind, str) or kind not in KINDS:
        raise MisusedKeyError("type", f"give one of {', '.join(KINDS)}")
    _, keys, needs = KINDS[kind]
    given = {}
    for key, value in table.items():
        name = key.removesuffix(_ENV) if key.removesuffix(_ENV) in SECRETS else key
        if name not in keys and key != "type":
            raise UnknownKeyError(key, ["type", *keys, *(f"{one}{_ENV}" for one in SECRETS if one in keys)])
        given[name] = _of_environment(key, value) if key != name else value
    for name in needs:
        if name not in given:
            raise MisusedKeyError(name, f"a channel of type {kind} needs it")
    made: Channel = KINDS[kind].make({name: value for name, value in given.items() if name != "type"})
    return made


def _of_environment(key: str, variable: Any) -> str:
    if not isinstance(variable, str) or not os.environ.get(variable):
        raise MisusedKeyError(key, f"the variable {variable} is not set")
    return os.environ[variable]


__all__ = ["KINDS", "SECRETS", "STDOUT", "Channel", "DeliveryError", "Kind", "MisusedKeyError", "make_channel"]
