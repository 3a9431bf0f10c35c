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
from mmindustry.fusion.network import Network, pool_row
from mmindustry.fusion.torch_runtime import TorchRuntime
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
    spec = replace(network.spec, pooled=True)
    found = Network(spec, prior).eval()
    weights, truth = found.get_buffer("pool"), data.targets().fault
    found.load_state_dict({"pool": weights, **network.state_dict()})
    for present in PATTERNS.values():
        shown = np.array(present) & np.array(spec.heard)
        if shown.sum() > 1 and (shown == np.array(present)).all():
            said, there = _said(found, data.showing(present), rows, shown)
            weights[pool_row(shown), torch.from_numpy(shown)] *= torch.from_numpy(
                fit_weights(said, truth[rows[there]], prior)
            ).float()
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
    network: Network, data: DataSet, rows: Rows, shown: NDArray[np.bool_]
) -> tuple[Array, NDArray[np.bool_]]:
    """Return what the shown modalities say, (windows, shown, classes), and which of the rows have
    all of them."""
    runtime, told, there = TorchRuntime(network), [], []
    for part in in_parts(rows, _BATCH):
        arrays = data.batch(part)
        whole = (arrays["present"] > 0)[:, shown].all(axis=1)
        raw = runtime.run(arrays)
        weighed = raw.modal * arrays["quality"][..., None]  # (batch, 3, faults)
        told.append(weighed[whole][:, shown].astype(np.float64))
        there.append(whole)
    return np.concatenate(told), np.concatenate(there)
