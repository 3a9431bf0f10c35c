"""Pauses between tries: doubling, with jitter, up to a limit."""

from collections.abc import Iterator
from random import Random

from mmindustry.stream.policy import RetryPolicy


def pauses(policy: RetryPolicy, rng: Random) -> Iterator[float]:
    """Yield, without end, the seconds to wait before the next try.

    Full jitter over the upper half, after M. Brooker, "Exponential Backoff And Jitter" (2015): a
    pause lies between half of the doubled time and the whole of it.
    """
    most = policy.first_seconds
    while True:
        yield most * (0.5 + rng.random() / 2)
        most = min(most * 2, policy.most_seconds)
