"""Randomness that repeats: every draw descends from the scenario's seed, never from the process or the clock."""

from hashlib import blake2b
from math import exp
from random import Random


def seeded(*parts: object) -> Random:
    """Return a generator fixed by its parts: equal parts give equal draws on every machine and Python version."""
    return Random("/".join(map(str, parts)))  # noqa: S311 - traffic to practise on; nothing is kept secret by it


def number(*parts: object) -> int:
    """Return 64 bits fixed by the parts: one draw, without the cost of setting up a generator."""
    return int.from_bytes(blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest())


def hex_text(length: int, *parts: object) -> str:
    """Return `length` (up to 64) hexadecimal digits fixed by the parts."""
    return blake2b("/".join(map(str, parts)).encode(), digest_size=32).hexdigest()[:length]


def guid(digits: str) -> str:
    """Return 32 hexadecimal digits in the shape of a random (version 4) GUID."""
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:32]}"


def poisson(random: Random, mean: float) -> int:
    """Return how many independent rare things happened where `mean` are expected (Knuth; rounded normal above 30)."""
    if mean > 30:
        return max(0, round(random.gauss(mean, mean**0.5)))
    count, product, floor = 0, random.random(), exp(-mean)
    while product > floor:
        count += 1
        product *= random.random()
    return count
