"""A report for people who do not type SQL: what was spent, on what, and what has changed. One file, nothing fetched."""

from __future__ import annotations

from .contents import Report, Section, compose

__all__ = ["Report", "Section", "compose"]
