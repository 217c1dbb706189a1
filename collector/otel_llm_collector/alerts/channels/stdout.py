"""An alert as a line of JSON on the collector's standard output, for whoever reads that."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..message import Message
from .delivery import DeliveryError


class Stdout:
    """One line a time that it fires or resolves."""

    def __init__(self, _: Mapping[str, Any]) -> None:
        pass

    @property
    def place(self) -> str:
        return "stdout"

    def deliver(self, message: Message) -> None:
        """Write it. Raises DeliveryError where nobody reads any more."""
        try:
            print(json.dumps(message.as_dict(), ensure_ascii=False), flush=True)  # noqa: T201 - what it is for
        except OSError as error:
            raise DeliveryError(f"stdout: {error.strerror}") from error
