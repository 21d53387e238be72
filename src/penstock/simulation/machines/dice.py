"""Throws of a world's dice."""

from random import Random


def strikes(rng: Random, rate: float) -> bool:
    """Tell whether something happens that does so at a rate; what never happens throws no dice."""
    return rate > 0 and rng.random() < rate
