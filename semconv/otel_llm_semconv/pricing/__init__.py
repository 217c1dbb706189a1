"""What a call costs: exact decimal money from token counts, or None with the reason.

`price_call()` is the entry point, `price()` the same for one model. Prices come from genai-prices behind `catalog.py`,
the rules are in `quote.py`, the arithmetic in `money.py`. Nothing of genai-prices is imported before the first price
or `warm()`.
"""

from .catalog import COMPONENTS, version, warm
from .quote import STATUSES, Price, price, price_at, price_call

__all__ = ["COMPONENTS", "STATUSES", "Price", "price", "price_at", "price_call", "version", "warm"]
