"""Why: each modality's share of what was said (numpy only)."""

from collections.abc import Callable
from itertools import product
from math import factorial

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def additive_terms(modal: Array, weight: Array, temperature: float, leading: int) -> Array:
    """Return what each modality adds to the log probability of class `leading`, in nats.

    Exact for late fusion: the terms sum to the fused evidence.

    Args:
        modal: (modalities, classes) evidence of each modality.
        weight: (modalities,) presence times quality.
        temperature: Of the presence pattern.
        leading: Index of the class explained.
    """
    terms: Array = weight * modal[:, leading] / temperature
    return terms


def coalitions(players: int) -> NDArray[np.bool_]:
    """Return all subsets of `players` modalities as rows, the empty one first, (2^n, n)."""
    return np.array(list(product((False, True), repeat=players)), dtype=np.bool_)


def shapley(values: Array, players: int) -> Array:
    """Return exact Shapley values from the value of every coalition.

    phi_i = sum_S |S|! (n - |S| - 1)! / n! (v(S + i) - v(S)) (Shapley, 1953). They sum to
    v(all) - v(none).

    Args:
        values: (2^players,) or (2^players, k) values in the order of `coalitions`.
        players: How many modalities.

    >>> shapley(np.array([0.0, 1.0, 2.0, 3.0]), 2).tolist()
    [2.0, 1.0]
    """
    sets = coalitions(players)
    index = {tuple(row.tolist()): at for at, row in enumerate(sets)}
    shares = np.zeros((players, *values.shape[1:]))
    for at, row in enumerate(sets):
        size = int(row.sum())
        for player in np.flatnonzero(~row):
            joined = row.copy()
            joined[player] = True
            gain = values[index[tuple(joined.tolist())]] - values[at]
            share = factorial(size) * factorial(players - size - 1) / factorial(players)
            shares[player] += share * gain
    return shares


def shapley_through(
    predict: Callable[[NDArray[np.bool_]], Array], present: NDArray[np.bool_]
) -> Array:
    """Return Shapley shares of the modalities through any predict function.

    Args:
        predict: Masks (n, modalities) -> values (n,) or (n, k), such as log odds of a fault.
        present: (modalities,) what is there; an absent modality gets a share of 0.
    """
    masks = coalitions(len(present)) & present
    return shapley(np.asarray(predict(masks), np.float64), len(present))
