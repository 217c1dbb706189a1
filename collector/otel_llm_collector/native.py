"""The wheel that reads OTLP natively (`native/`), where it is installed; elsewhere None, and slower code does the same.

Of one version only: both are released together.
"""

from __future__ import annotations

import logging
from importlib.metadata import version
from typing import Any, Final

VERSION: Final = version("otel-llm")
#: What the wheel has, which differs between two checkouts of one version.
INTERFACE: Final = 3


def _installed() -> Any:
    try:
        import otel_llm_native
    except ImportError:
        return None
    found = otel_llm_native.__version__
    if found != VERSION:
        logging.getLogger(__name__).warning("otel-llm-native is %s and not used: this is made for %s", found, VERSION)
        return None
    if getattr(otel_llm_native, "INTERFACE", 1) != INTERFACE:
        logging.getLogger(__name__).warning(
            "otel-llm-native is of another checkout of %s and not used: build it again, pip install ./native", VERSION
        )
        return None
    return otel_llm_native


native: Final = _installed()
