"""Spans as columns: decoded, normalised and priced many at a time, with the row-by-row code as the reference."""
