"""Errors of otel-llm, each with the exit code that the command line ends with.

OtelLlmError            1   something failed
├── UsageError          2   wrong usage: flags, syntax, an unknown column
├── NoDataError         3   no lake here, or an empty one
└── MissingExtraError   1   a part of otel-llm that is not installed
"""

from __future__ import annotations

__all__ = ["MissingExtraError", "NoDataError", "OtelLlmError", "UsageError"]


class OtelLlmError(Exception):
    """Base of all errors that we raise. Its text is one line that says what to do next."""

    exit_code = 1


class UsageError(OtelLlmError):
    """The caller asked for something that cannot be: a bad flag, SQL that does not parse, an unknown column."""

    exit_code = 2


class NoDataError(OtelLlmError):
    """The data directory is missing or holds nothing to read."""

    exit_code = 3


class MissingExtraError(OtelLlmError):
    """A command needs an extra that is not installed; the text is the exact `pip install` line."""
