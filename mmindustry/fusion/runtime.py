"""What runs a network: arrays in, plain numpy out, whatever stands behind."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from mmindustry.errors import MmindustryError

Arrays = Mapping[str, NDArray[Any]]


class DeviceMemory(MmindustryError):  # noqa: N818 - what is so, not a mistake
    """The device has no memory left for a batch of this size; a smaller one may pass."""

    code = "device_memory"


class Raw(NamedTuple):
    """What the network said of a batch, in single precision, before calibration."""

    evidence: NDArray[np.float32]  # (batch, faults)
    modal: NDArray[np.float32]  # (batch, 3, faults)
    hazard: NDArray[np.float32]  # (batch, bins)
    product: NDArray[np.float32]  # (batch, products)
    embeddings: NDArray[np.float32]  # (batch, 3, width)

    def finite(self) -> NDArray[np.bool_]:
        """Return which windows of the batch have finite answers only, shape (batch,)."""
        good = np.ones(len(self.evidence), dtype=np.bool_)
        for part in self:
            good &= np.isfinite(part).reshape(len(part), -1).all(axis=1)
        return good


class Runtime(Protocol):
    """One loaded network."""

    name: str

    def run(self, arrays: Arrays) -> Raw:
        """Return what the network says of arrays with a batch axis, named as `spec.inputs`.

        Raises:
            DeviceMemory: The batch is too large for the device.
        """
