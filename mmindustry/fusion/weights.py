"""Weights on disk: safetensors only, and the one place that may read a third party's pickle."""

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError  # noqa: TID251 - only the error's name
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from mmindustry.errors import BundleError

if TYPE_CHECKING:
    from torch import Tensor, nn

Arrays = dict[str, NDArray[np.float32]]


def pack(arrays: Mapping[str, NDArray[np.float32]]) -> bytes:
    """Return arrays as safetensors bytes, the same bytes for the same arrays."""
    return save({name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)})


def unpack(content: bytes, name: str) -> Arrays:
    """Return the arrays of safetensors bytes.

    Raises:
        BundleError: The bytes are no safetensors file; `name` says which file.
    """
    try:
        return load(content)
    except SafetensorError as error:
        raise BundleError(f"{name}: not a readable safetensors file ({error})") from error


def arrays_of(network: "nn.Module") -> Arrays:
    """Return a module's parameters and buffers as arrays on the CPU."""
    return {name: tensor.detach().cpu().numpy() for name, tensor in network.state_dict().items()}


def fill(network: "nn.Module", arrays: Mapping[str, NDArray[np.float32]]) -> None:
    """Load arrays into a module; every name must be there, none besides.

    Raises:
        BundleError: A name is missing or unknown, or a shape differs.
    """
    import torch  # noqa: PLC0415 - serving on CPU never comes here

    state = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
    try:
        network.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise BundleError(f"weights do not fit the network: {error}") from error


def read_foreign_weights(path: Path, sha256: str) -> "dict[str, Tensor]":
    """Return the tensors of a third party's `.pth`, after its hash was found right.

    Raises:
        BundleError: The file is missing, its hash is another, or it holds more than tensors.
    """
    import torch  # noqa: PLC0415 - serving on CPU never comes here

    try:
        content = path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: can't be read ({error.strerror})") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256.lower():
        raise BundleError(f"{path}: sha256 is {found}, expected {sha256}; nothing was loaded")
    try:
        state = torch.load(  # noqa: TID251 - the one place that may
            io.BytesIO(content), map_location="cpu", weights_only=True
        )
    except (UnpicklingError, RuntimeError, EOFError) as error:
        raise BundleError(f"{path}: holds more than plain tensors; refused ({error})") from error
    if not isinstance(state, dict) or not all(torch.is_tensor(t) for t in state.values()):
        raise BundleError(f"{path}: holds a {type(state).__name__}, not a table of tensors")
    return {str(name): tensor for name, tensor in state.items()}
