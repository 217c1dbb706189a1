"""What a call costs: exact decimal money from token counts, or None with the reason.

`price()` is the one entry point; prices come from genai-prices behind `catalog.py`, and the arithmetic is in
`quote.py`. Nothing of genai-prices is imported before the first `price()` or `warm()`.
"""

from .catalog import version, warm
from .quote import COMPONENTS, STATUSES, Price, price

__all__ = ["COMPONENTS", "STATUSES", "Price", "price", "version", "warm"]
