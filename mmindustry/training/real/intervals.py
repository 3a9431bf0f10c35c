"""How sure a figure is: the bootstrap over groups of a ratio.

A share's: `mmindustry.training.scores`. Any other figure's: `mmindustry.training.report.intervals`.
"""

import numpy as np
from numpy.typing import NDArray

_DRAWS = 1_000

Interval = tuple[float, float]


def ratio_interval(
    hits: NDArray[np.float64], totals: NDArray[np.float64], *, seed: int = 7, draws: int = _DRAWS
) -> Interval:
    """Return the 95 % bootstrap interval of sum(hits) / sum(totals) over groups.

    Args:
        hits: (groups,) what was right in each group.
        totals: (groups,) of how many.
        seed: Of the draws.
        draws: How often.
    """
    random = np.random.default_rng(seed)
    count = len(hits)
    weights = random.multinomial(count, np.full(count, 1.0 / count), size=draws)  # (draw, group)
    of = weights @ totals
    shares = (weights @ hits)[of > 0] / of[of > 0]
    if not len(shares):
        return float("nan"), float("nan")
    low, high = np.quantile(shares, (0.025, 0.975))
    return float(low), float(high)
