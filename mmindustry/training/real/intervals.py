"""How sure a figure is: Wilson's interval of a share, the bootstrap over groups of a ratio.

Any other figure's: `mmindustry.training.report.intervals`.
"""

import numpy as np
from numpy.typing import NDArray

_Z = 1.959964
_DRAWS = 1_000

Interval = tuple[float, float]


def wilson(hits: int, total: int) -> Interval:
    """Return the 95 % interval of a share (Wilson, JASA 22 (1927) 209-212), NaN of none.

    >>> low, high = wilson(24, 24)
    >>> round(low, 3), round(high, 3)
    (0.862, 1.0)
    """
    if not total:
        return float("nan"), float("nan")
    share, square = hits / total, _Z * _Z
    middle = (share + square / (2 * total)) / (1 + square / total)
    spread = np.sqrt(share * (1 - share) / total + square / (4 * total * total))
    reach = float(_Z * spread / (1 + square / total))
    return max(middle - reach, 0.0), min(middle + reach, 1.0)


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
