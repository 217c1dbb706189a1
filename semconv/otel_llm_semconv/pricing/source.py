"""Where the price data comes from: the file that the user has put in place, else what genai-prices brings along.

Nothing is ever fetched. A file is in the format of genai-prices (`prices/new_data/v2/data.json` of its repository).
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, localcontext
from importlib.metadata import version as _installed
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from . import money
from .deferral import defer_package

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo

_LOG: Final = logging.getLogger(__name__)
#: The file to use; unset, the one in the user's configuration, if there is one; empty, none.
PRICES_ENV: Final = "OTEL_LLM_PRICES"
#: Price data that knows of nothing newer than so many days is said to be stale.
STALE_DAYS: Final = 90


class BadPricesError(ValueError):
    """A file of prices that cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class PriceData:
    """A state of the price list: `version` names it in every priced row."""

    snapshot: DataSnapshot
    version: str

    def newest(self, today: date) -> date | None:
        """The date of the last change of a price that it knows of."""
        return max((day for day in _start_dates(self.snapshot) if day <= today), default=None)

    def is_stale(self, today: date) -> bool:
        """True where nothing in it is newer than `STALE_DAYS`."""
        newest = self.newest(today)
        return newest is None or (today - newest).days > STALE_DAYS


def place() -> Path | None:
    """The file of prices that is used if it is there."""
    named = os.environ.get(PRICES_ENV)
    if named is not None:
        return Path(named).expanduser() if named else None
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(home).expanduser() / "otel-llm" / "prices.json"


_chosen: list[PriceData] = []


def override(data: PriceData) -> None:
    """Use this data in this process, whatever is in place. See `quote.use`."""
    _chosen[:] = [data]


def current() -> PriceData:
    """The data in use."""
    return _chosen[0] if _chosen else _in_place()


@functools.cache
def _in_place() -> PriceData:
    """What is in place. A file that cannot be read is warned of once, and what is bundled used instead."""
    path = place()
    try:
        if path is not None and (os.environ.get(PRICES_ENV) or path.exists()):
            return read(path)
    except OSError as error:
        _LOG.warning("%s: %s; the bundled prices are used", path, error.strerror)
    except BadPricesError as error:
        _LOG.warning("%s; the bundled prices are used", error)
    return bundled()


@functools.cache
def bundled() -> PriceData:
    """What the installed genai-prices knows."""
    defer_package("genai_prices")
    from genai_prices.data_snapshot import _bundled_snapshot

    with localcontext(money.CONTEXT):
        snapshot = _bundled_snapshot()
    return PriceData(snapshot, f"genai-prices-{_installed('genai-prices')}")


def read(path: Path) -> PriceData:
    """The data of a file. Raises BadPricesError, OSError."""
    defer_package("genai_prices")
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import _providers_from_raw

    raw = path.read_bytes()
    try:
        listed = json.loads(raw)
        if not isinstance(listed, list) or not listed:
            raise BadPricesError(f"{path}: no list of providers; take data.json of genai-prices (v2)")
        with localcontext(money.CONTEXT):
            snapshot = DataSnapshot(_providers_from_raw(listed), from_auto_update=False)
        _refuse_negative(path, snapshot)
    except BadPricesError:
        raise
    except Exception as error:  # the library's validation has errors of many kinds
        raise BadPricesError(f"{path}: not the format of genai-prices (v2): {_first_line(error)}") from error
    return PriceData(snapshot, f"prices-{hashlib.sha256(raw).hexdigest()[:12]}")


def provider_ids() -> frozenset[str]:
    """The providers of the data in use, as it names them."""
    return frozenset(provider.id for provider in current().snapshot.providers)


def _refuse_negative(path: Path, snapshot: DataSnapshot) -> None:
    """A price below nothing is a slip of whoever wrote the file."""
    for provider in snapshot.providers:
        for model in provider.models:
            for key, price in _prices(model):
                if not price.is_finite() or price < 0:
                    raise BadPricesError(f"{path}: {provider.id} {model.id}: {key} is {price}; a price is 0 or more")


def _prices(model: ModelInfo) -> Iterator[tuple[str, Decimal]]:
    """Each price of a model by its key, whenever and however it holds, those of its tiers too."""
    whole = model.prices if isinstance(model.prices, list) else ()
    plain = () if isinstance(model.prices, list) else (model.prices,)
    for prices in (*plain, *(condition.prices for condition in (*whole, *(model.price_variants or ())))):
        for key, value in vars(prices).items():
            if isinstance(value, Decimal):
                yield key, value
            elif (base := getattr(value, "base", None)) is not None:
                yield from ((key, price) for price in (base, *(tier.price for tier in value.tiers)))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _start_dates(snapshot: DataSnapshot) -> Iterator[date]:
    from genai_prices.types import StartDateConstraint

    for provider in snapshot.providers:
        for model in provider.models:
            conditions: list[Any] = list(model.prices) if isinstance(model.prices, list) else []
            for condition in (*conditions, *(model.price_variants or ())):
                if isinstance(condition.constraint, StartDateConstraint):
                    yield condition.constraint.start_date
