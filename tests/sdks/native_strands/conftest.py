"""These frameworks trace themselves, on the global provider."""

from sdks.globally import recorded

__all__ = ["recorded"]
