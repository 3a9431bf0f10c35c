"""Embeddings of the present modalities -> evidence for each fault. One signature, one registry.

`forward(Heard) -> Fused`: embeddings (batch, modalities, width), presence, quality and items in,
evidence, summary and own loss out. The answer never depends on what stands in an absent place;
with all absent the evidence is zero, so that the answer is the prior.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from mmindustry.errors import BundleError
from mmindustry.fusion.fusions.align import AlignmentFusion
from mmindustry.fusion.fusions.attention import (
    BottleneckFusion,
    CrossAttentionFusion,
    SelfAttentionFusion,
)
from mmindustry.fusion.fusions.bilinear import LmfFusion, MfbFusion, MfhFusion, TfnFusion
from mmindustry.fusion.fusions.classic import FeatureConcat, ReluSum
from mmindustry.fusion.fusions.concat import ConcatFusion
from mmindustry.fusion.fusions.early import EarlyFusion
from mmindustry.fusion.fusions.gates import GmuFusion, GruFusion
from mmindustry.fusion.fusions.graph import GraphFusion
from mmindustry.fusion.fusions.late import LateFusion
from mmindustry.fusion.fusions.residual import ResidualFusion
from mmindustry.fusion.fusions.shape import Fusion, FusionShape
from mmindustry.fusion.fusions.sums import ConvFusion, SumFusion, WeightedSumFusion

FUSIONS: Mapping[str, Callable[[FusionShape], Fusion]] = MappingProxyType(
    {
        "late": LateFusion,
        "concat": ConcatFusion,
        "early": EarlyFusion,
        "sum": SumFusion,
        "weighted_sum": WeightedSumFusion,
        "conv": ConvFusion,
        "alignment": AlignmentFusion,
        "self_attention": SelfAttentionFusion,
        "cross_attention": CrossAttentionFusion,
        "gru": GruFusion,
        "gmu": GmuFusion,
        "gcn": GraphFusion,
        "mfb": MfbFusion,
        "mfh": MfhFusion,
        "lmf": LmfFusion,
        "tfn": TfnFusion,
        "bottleneck": BottleneckFusion,
        "residual": ResidualFusion,
    }
)
"""Name -> module; the first is the default, the second its standing challenger."""


CLASSICS: Mapping[str, Callable[[FusionShape], Fusion]] = MappingProxyType(
    {"feature_concat": FeatureConcat, "relu_sum": ReluSum}
)
"""Name -> module of classic systems' own fusions; presets are made with them."""


def make_fusion(name: str, shape: FusionShape) -> Fusion:
    """Return a fresh fusion module of that name.

    Raises:
        BundleError: The name is not in the registry.
    """
    known = {**FUSIONS, **CLASSICS}
    if name not in known:
        raise BundleError(f"unknown fusion {name!r}; known are {', '.join(sorted(known))}")
    return known[name](shape)
