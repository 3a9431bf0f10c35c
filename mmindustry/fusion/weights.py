"""Weights on disk: safetensors only, and the one place that may read a third party's pickle."""

import io
import struct
from collections.abc import Mapping
from pickle import UnpicklingError  # noqa: TID251 - only the error's name
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from mmindustry.errors import BundleError, InputError

if TYPE_CHECKING:
    from torch import Tensor, nn

Arrays = dict[str, NDArray[np.float32]]

_UNREADABLE = (
    *(UnpicklingError, RuntimeError, EOFError, struct.error, LookupError, ValueError),
    *(TypeError, AttributeError, AssertionError, OverflowError, MemoryError),
)
"""What torch's reader of plain tensors raises where a file is damaged or is something else: it
checks what it may build, not that there is anything to build."""


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


def foreign_tensors(content: bytes, name: str) -> "dict[str, Tensor]":
    """Return the tensors of a third party's file: safetensors, or torch's own format.

    Raises:
        InputError: It holds more than tensors, or is neither; `name` says which file.
    """
    import torch  # noqa: PLC0415 - serving on CPU never comes here
    from safetensors.torch import load as load_tensors  # noqa: PLC0415 - imports torch

    try:
        if name.endswith(".safetensors"):
            return load_tensors(content)
        state = torch.load(  # noqa: TID251 - the one place that may
            io.BytesIO(content), map_location="cpu", weights_only=True
        )
    except SafetensorError as error:
        raise InputError(f"{name}: not a readable safetensors file ({error})") from error
    except _UNREADABLE as error:
        raise InputError(f"{name}: holds more than plain tensors; refused ({error})") from error
    if not isinstance(state, dict) or not all(torch.is_tensor(t) for t in state.values()):
        raise InputError(f"{name}: holds a {type(state).__name__}, not a table of tensors")
    return {str(key): tensor for key, tensor in state.items()}
