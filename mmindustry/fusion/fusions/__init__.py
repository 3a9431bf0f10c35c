"""Embeddings of the present modalities -> evidence for each fault. One signature, one registry.

`forward(embeddings (batch, 3, width), present (batch, 3), quality (batch, 3)) -> Fused`.
Output never depends on the embedding of an absent modality; with all absent the evidence is zero,
so that the answer is the prior.
"""

from collections.abc import Callable

from mmindustry.errors import BundleError
from mmindustry.fusion.fusions.concat import ConcatFusion
from mmindustry.fusion.fusions.late import LateFusion
from mmindustry.fusion.fusions.shape import Fusion, FusionShape

FUSIONS: dict[str, Callable[[FusionShape], Fusion]] = {"late": LateFusion, "concat": ConcatFusion}


def make_fusion(name: str, shape: FusionShape) -> Fusion:
    """Return a fresh fusion module of that name.

    Raises:
        BundleError: The name is not in the registry.
    """
    if name not in FUSIONS:
        raise BundleError(f"unknown fusion {name!r}; known are {', '.join(sorted(FUSIONS))}")
    return FUSIONS[name](shape)
