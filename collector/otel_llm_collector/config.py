"""Where the data lies, for every command that reads or writes it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

DATA_ENV: Final = "OTEL_LLM_DATA"
DATA_DEFAULT: Final = "./otel-llm-data"


def data_dir(option: str | os.PathLike[str] | None = None) -> Path:
    """The data directory: the `--data` option, else `OTEL_LLM_DATA`, else `./otel-llm-data`. Need not exist."""
    return Path(option or os.environ.get(DATA_ENV) or DATA_DEFAULT)
