"""How much each modality's word counts beside the others', where no fused answer taught it.

A logarithmic opinion pool (Genest & Zidek, Statistical Science 1 (1986) 114-135): log p(c) =
log pi_c + sum_m w_m,S q_m e_m,c with a weight for each modality m in each presence pattern S of two
or more. Plain sums take what the modalities say as independent given the class; where they tell
the same twice, the weights say so. Fitted on held-out windows, as a temperature is.
"""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp

from mmindustry.fusion.calibration import PATTERNS
from mmindustry.fusion.network import POOL, Network, pool_row
from mmindustry.training.dataset import DataSet
from mmindustry.training.split import Rows, in_parts

Array = NDArray[np.float64]

LEAST, MOST = 0.05, 4.0
"""Bounds of a weight: nobody's word is lost, none drowns the others."""
EQUAL_WINDOWS = 20.0
"""How many windows' worth of doubt holds every weight at 1."""

_BATCH = 64
_DIGITS = 3  # fewer than processors differ in


def pooled(network: Network, data: DataSet, *, rows: Rows, prior: Array) -> Network:
    """Return the network with the weights of its pool, fitted on held-out windows `rows`.

    `prior`: (classes,) share of each class that it was trained on. A pattern that no window has
    whole keeps the weights it had, 1 from the start.
    """
    found = Network(replace(network.spec, pooled=True), prior).eval()
    weights, truth = found.get_buffer(POOL), data.targets().fault
    found.load_state_dict({POOL: weights, **network.state_dict()})
    for present, (said, there) in _said(found, data, rows).items():
        fitted = fit_weights(said, truth[there], prior)
        weights[pool_row(present), torch.tensor(present)] *= torch.from_numpy(fitted).float()
    return found


def fit_weights(said: Array, truth: NDArray[np.int64], prior: Array) -> Array:
    """Return the weights (modalities,) with the lowest log loss on windows, `LEAST`..`MOST`.

    Args:
        said: (windows, modalities, classes) evidence of each modality, times its quality, nats.
        truth: (windows,) class.
        prior: (classes,) share of each class that evidence is relative to.
    """
    windows, modalities, _ = said.shape
    start = np.ones(modalities)
    if not windows:
        return start
    right = np.take_along_axis(said, truth.reshape(-1, 1, 1), axis=2)[..., 0]
    doubt = EQUAL_WINDOWS / windows

    def loss(weights: Array) -> tuple[float, Array]:
        logits = np.log(prior) + np.einsum("m,nmc->nc", weights, said)
        total = logsumexp(logits, axis=1)
        likely = np.exp(logits - total[:, None])
        told = np.log(prior)[truth] + right @ weights - total
        slope = np.einsum("nc,nmc->m", likely, said) / windows - right.mean(axis=0)
        away = weights - start
        return float(-told.mean() + doubt / 2.0 * (away @ away)), slope + doubt * away

    bounds = [(LEAST, MOST)] * modalities
    best: Array = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x
    return best.round(_DIGITS)


def _said(
    network: Network, data: DataSet, rows: Rows
) -> dict[tuple[bool, ...], tuple[Array, Rows]]:
    """Return by presence pattern of two or more what each of its modalities says where all of them
    are there, (windows, modalities, classes), and the rows that these are."""
    told: dict[tuple[bool, ...], tuple[list[Array], list[Rows]]] = {
        present: ([], []) for present in PATTERNS.values() if sum(present) > 1
    }
    heard = np.array(network.spec.heard)
    with torch.inference_mode():
        for part in in_parts(rows, _BATCH):
            arrays = {name: torch.from_numpy(array) for name, array in data.batch(part).items()}
            encoded = network.encode(arrays)
            for present, (said, there) in told.items():
                shown = torch.tensor(present)
                answer = network.join(encoded, {**arrays, "present": arrays["present"] * shown})
                weighed = answer.modal * arrays["quality"].unsqueeze(-1)
                whole = ((arrays["present"] > 0) & torch.from_numpy(heard))[:, shown].all(dim=1)
                said.append(weighed[whole][:, shown].double().numpy())
                there.append(part[whole.numpy()])
    return {p: (np.concatenate(said), np.concatenate(there)) for p, (said, there) in told.items()}
