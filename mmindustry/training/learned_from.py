"""What a bundle was trained on: its windows, and how often each class was among them."""

import numpy as np
from numpy.typing import NDArray

from mmindustry.errors import BundleError, InputError
from mmindustry.fusion.bundle import WEIGHTS, Bundle
from mmindustry.fusion.weights import unpack
from mmindustry.training.dataset import DataSet

_LOG_PRIOR = "log_prior"


def refuse_other_windows(bundle: Bundle, data: DataSet) -> None:
    """Refuse windows that are not those the bundle was trained on.

    Split anew, others would hold out machines it has learned from, and the gate would pass what
    it knows by heart.

    Raises:
        InputError: They are others.
    """
    wanted, found = bundle.manifest.data_hash, data.data_hash()
    if wanted != found:
        raise InputError(
            f"{bundle.folder}: trained on other windows (sha256 {wanted[:12] or 'not recorded'}, "
            f"here {found[:12]}), so its held-out machines can't be told; give --windows, "
            f"--machines and --seed as it was made: {bundle.manifest.command or 'not recorded'}"
        )


def training_prior(bundle: Bundle) -> NDArray[np.float64]:
    """Return the share of each class the bundle was trained on, as its weights keep it.

    Raises:
        BundleError: They don't.
    """
    weights = unpack(bundle.weights, str(bundle.folder / WEIGHTS))
    held = next((name for name in weights if name.rpartition(".")[2] == _LOG_PRIOR), None)
    if held is None:
        raise BundleError(f"{bundle.folder}: its weights name no {_LOG_PRIOR}; train it anew")
    prior = np.exp(weights[held].astype(np.float64))  # of several as one: all have the same
    shares: NDArray[np.float64] = prior / prior.sum()
    return shares
