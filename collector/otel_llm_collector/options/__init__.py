"""Every option of `otel-llm collector`: one row each. A flag wins over the environment, that over the file, that over
the default. The rows are also what the flags, the documentation and `--print-config` are made from.
"""

from __future__ import annotations

from typing import Final

from .answering import ANSWERING
from .config import KEPT_DAYS, Config, is_loopback
from .keeping import KEEPING
from .option import KeyedError, Option, UnknownKeyError
from .receiving import RECEIVING
from .saying import SAYING

__all__ = ["CONFIG_ENV", "KEPT_DAYS", "OPTIONS", "Config", "KeyedError", "Option", "UnknownKeyError", "is_loopback"]

OPTIONS: Final = (*RECEIVING, *KEEPING, *ANSWERING, *SAYING)
#: Names the file itself: neither in it nor reloaded.
CONFIG_ENV: Final = "OTEL_LLM_COLLECTOR_CONFIG"
