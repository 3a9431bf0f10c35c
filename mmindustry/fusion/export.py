"""Network -> ONNX bytes that ONNX Runtime serves at any batch size. Needs the torch extra."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from mmindustry.fusion.ensemble import Ensemble
from mmindustry.fusion.network import Network, Positional
from mmindustry.fusion.spec import OUTPUTS, NetworkSpec

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = 18
"""ONNX operator set of every exported model."""


def blank_arrays(spec: NetworkSpec, batch: int) -> dict[str, torch.Tensor]:
    """Return arrays of ones in the recipe's shapes, with a batch axis."""
    shapes = spec.recipe.shapes()
    return {
        name: torch.from_numpy(np.ones((batch, *shapes[name][0]), shapes[name][1]))
        for name in spec.inputs
    }


def export_onnx(network: Network | Ensemble) -> bytes:
    """Return the network in evaluation mode as an ONNX model, batch axis free.

    Batch norms are folded by the exporter; inputs and outputs are named as the spec's `inputs`
    and `OUTPUTS`.
    """
    arrays = tuple(blank_arrays(network.spec, 2).values())
    positional = Positional(network).train(network.training)
    shapes = (free_batch(arrays),)  # all of them are one argument: *arrays
    return exported(positional, arrays, inputs=network.spec.inputs, outputs=OUTPUTS, shapes=shapes)


def free_batch(arrays: Sequence[torch.Tensor]) -> tuple[dict[int, torch.export.Dim], ...]:
    """Return the exporter's word for it that the first axis of each array is free."""
    batch = torch.export.Dim("batch", min=1, max=1024)
    return tuple({0: batch} for _ in arrays)


def exported(
    module: nn.Module,
    arrays: Sequence[torch.Tensor],
    *,
    inputs: Sequence[str],
    outputs: Sequence[str],
    shapes: tuple[Any, ...],
) -> bytes:
    """Return a module in evaluation mode as an ONNX model whose inputs have a free batch axis.

    Args:
        module: Takes as many tensors as there are `inputs`; left in the mode it was in.
        arrays: One of each, of two items.
        inputs: Their names.
        outputs: Names of what it returns.
        shapes: `free_batch` of the arrays, nested as the module takes them.

    Raises:
        RuntimeError: The exporter gave nothing, or fixed the batch axis.
    """
    was_training = module.training
    module.eval()
    with quiet_exporter():
        program = torch.onnx.export(
            module,
            tuple(arrays),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=shapes,
            verbose=False,
        )
    module.train(was_training)
    if program is None:
        raise RuntimeError("torch.onnx.export returned nothing")
    fixed = [
        one.name
        for one in program.model_proto.graph.input
        if not one.type.tensor_type.shape.dim[0].dim_param
    ]
    if fixed:  # the exporter falls back to that in silence, as after len(tensor)
        raise RuntimeError(f"the exported batch axis is fixed in {', '.join(fixed)}")
    return bare(program.model_proto)


def bare(model: "ModelProto") -> bytes:
    """Return the model without the exporter's notes: they name source files of the maker's disk,
    so that the same network gives other bytes in another folder."""
    model.ClearField("metadata_props")
    for part in (model.graph, *model.functions):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
        for one in (*part.node, *part.value_info):
            one.ClearField("metadata_props")
            one.ClearField("doc_string")
    for one in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        one.ClearField("metadata_props")
        one.ClearField("doc_string")
    content: bytes = model.SerializeToString(deterministic=True)
    return content


@contextmanager
def quiet_exporter() -> Iterator[None]:
    """Hold back the exporter's remarks (torchvision is not installed, axis names are shared)."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
