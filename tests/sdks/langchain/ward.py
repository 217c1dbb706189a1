"""The tools that chains and graphs have."""

from __future__ import annotations

from langchain_core.tools import tool


@tool
def look_up(patient: str) -> str:
    """What is known of a patient."""
    return f"{patient}: no known allergies"


@tool
def lose(patient: str) -> str:
    """Fails."""
    raise LookupError("no such patient")
