"""An alert as Slack's incoming webhooks take it; Mattermost, Rocket.Chat and others take the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from ..message import Message
from .webhook import KEYS as WEBHOOK_KEYS
from .webhook import Post

KEYS: Final = {
    "url": "The incoming webhook, which is a secret",
    **{key: WEBHOOK_KEYS[key] for key in ("private_hosts", "ca_file")},
}
#: Slack reads these as markup.
_ESCAPES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


class Slack:
    """One message a time that it fires or resolves."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        self._post = Post(table)

    @property
    def place(self) -> str:
        return self._post.place

    def deliver(self, message: Message) -> None:
        """POST it. Raises DeliveryError."""
        sign = ":white_check_mark:" if message.is_over else ":rotating_light:"
        text = "".join(_ESCAPES.get(letter, letter) for letter in message.text)
        self._post.send(json.dumps({"text": f"{sign} {text}"}).encode(), {"content-type": "application/json"})
