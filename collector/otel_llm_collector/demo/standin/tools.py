"""Which tool an answer calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

AUTO: Final = "auto"
NONE: Final = "none"


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call, and the JSON schema of its arguments."""

    name: str
    schema: dict[str, Any]


def pick(tools: Sequence[Tool], choice: str, answered: bool, named: str | None = None) -> Tool | None:
    """The tool asked for by name, else the first, else none: once a result has come, or where the caller wants none.

    choice      `auto`, `none` or, for every word that makes a call compulsory, anything else
    answered    whether the conversation ends with a tool's result
    """
    if not tools or choice == NONE:
        return None
    if named is not None:
        return next((tool for tool in tools if tool.name == named), None)
    return None if choice == AUTO and answered else tools[0]
