"""Caller addresses, normalised: shared with the rules' own test cases, so they live in the core."""

from acrwatch.core.address import LENGTH_LIMIT, MAPPED_PREFIX, NO_ADDRESS, Address, parse_address

__all__ = ["LENGTH_LIMIT", "MAPPED_PREFIX", "NO_ADDRESS", "Address", "parse_address"]
