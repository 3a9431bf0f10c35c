"""Network -> ONNX bytes that ONNX Runtime serves at any batch size. Needs the torch extra."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch

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
    batch = torch.export.Dim("batch", min=1, max=1024)
    was_training = network.training
    network.eval()
    with quiet_exporter():
        program = torch.onnx.export(
            Positional(network),
            arrays,
            dynamo=True,
            opset_version=OPSET,
            input_names=list(network.spec.inputs),
            output_names=list(OUTPUTS),
            dynamic_shapes=(tuple({0: batch} for _ in arrays),),
            verbose=False,
        )
    network.train(was_training)
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
