"""Serving by torch: on CUDA for speed, on CPU as the reference. Needs the torch extra."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from typing_extensions import override

from mmindustry.errors import ConfigError
from mmindustry.fusion.ensemble import Ensemble, make_network
from mmindustry.fusion.network import Answer, Network
from mmindustry.fusion.runtime import Arrays, DeviceMemory, Raw, Runtime
from mmindustry.fusion.spec import NetworkSpec
from mmindustry.fusion.weights import fill


def open_torch(
    spec: NetworkSpec, weights: Mapping[str, NDArray[np.float32]], *, device: str, half: bool
) -> "TorchRuntime":
    """Return a torch runtime holding these weights.

    Raises:
        ConfigError: The device is not on this machine.
        BundleError: The weights do not fit the network.
    """
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(f"device {device}: torch sees no CUDA device here; give cpu or auto")
    if device.startswith("cuda") and int(device.partition(":")[2]) >= torch.cuda.device_count():
        raise ConfigError(f"device {device}: only {torch.cuda.device_count()} CUDA devices here")
    network = make_network(spec, [1.0] * len(spec.faults))
    fill(network, weights)
    return TorchRuntime(network, device=device, half=half)


class TorchRuntime(Runtime):
    """A network in evaluation mode on one device.

    On CUDA arrays go through pinned memory without blocking, and convolutions and products run in
    half precision under autocast; log-sums stay in single precision.
    """

    def __init__(
        self, network: Network | Ensemble, *, device: str = "cpu", half: bool = False
    ) -> None:
        self.name = f"torch:{device}:{'half' if half else 'single'}"
        self._device = torch.device(device)
        self._half = half
        self._network = network.to(self._device).eval()
        self._inputs = network.spec.inputs

    @override
    def run(self, arrays: Arrays) -> Raw:
        """Return what the network says.

        Raises:
            DeviceMemory: The device has too little memory for this batch.
        """
        try:
            answer = self._answer({name: self._send(arrays[name]) for name in self._inputs})
        except torch.OutOfMemoryError as error:
            raise DeviceMemory(f"{self.name}: {len(arrays['present'])} windows at once") from error
        return Raw(*(part.float().cpu().numpy() for part in answer.served))

    def _answer(self, tensors: Mapping[str, torch.Tensor]) -> Answer:
        with (
            torch.inference_mode(),
            torch.autocast(self._device.type, dtype=torch.float16, enabled=self._half),
        ):
            answer: Answer = self._network(tensors)
        return answer

    def _send(self, array: NDArray[np.generic]) -> torch.Tensor:
        tensor = torch.from_numpy(array)
        if self._device.type != "cuda":
            return tensor
        return tensor.pin_memory().to(self._device, non_blocking=True)
