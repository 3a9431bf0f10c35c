"""Products of embeddings: factorised bilinear pooling, low-rank and full tensors."""

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from mmindustry.fusion.fusions.shape import FusionShape, Heard, Joint, pairs_of

_FACTOR = 4
_PAIR_WIDTH = 32
_SOFT = 1e-3  # keeps the root's gradient finite near zero
_RANK = 8
_TENSOR_WIDTH = 8


class MfhFusion(Joint):
    """Factorised high-order pooling of every present pair, beside a concatenation trunk.

    e_1 = drop(U_1 h_i o V_1 h_j), e_p = drop(U_p h_i o V_p h_j o e_{p-1}); each is pooled over
    its factors, square-rooted, z / sqrt(|z| + 1e-3), and brought to length 1 (Yu et al., ICCV 2017
    and TNNLS 2018). `order` 1 is MFB. A lone modality speaks through the trunk.
    """

    def __init__(self, shape: FusionShape, order: int = 2) -> None:
        pairs = pairs_of(shape.modalities)
        super().__init__(shape, len(pairs) * order * _PAIR_WIDTH + shape.width)
        self.order = order
        wide = _FACTOR * _PAIR_WIDTH
        count = len(pairs) * order
        self.left = nn.ModuleList(nn.Linear(shape.width, wide) for _ in range(count))
        self.right = nn.ModuleList(nn.Linear(shape.width, wide) for _ in range(count))
        self.drop = nn.Dropout(0.1)
        self.alone = nn.Linear(shape.modalities * (shape.width + 1), shape.width)

    @override
    def summary(self, heard: Heard) -> Tensor:
        """Return the pooled pairs and the trunk, concatenated."""
        parts: list[Tensor] = []
        for at, (i, j) in enumerate(pairs_of(self.shape.modalities)):
            both = (heard.present[:, i] * heard.present[:, j]).unsqueeze(1)  # (batch, 1)
            carried: Tensor | None = None
            for step in range(at * self.order, (at + 1) * self.order):
                carried = self._product(heard, step, (i, j), carried)
                parts.append(_pooled(carried) * both)
        joined = torch.cat([heard.weighted.flatten(1), heard.weight], dim=-1)
        return torch.cat([*parts, self.alone(joined)], dim=-1)

    def _product(
        self, heard: Heard, step: int, pair: tuple[int, int], carried: Tensor | None
    ) -> Tensor:
        left = self.left[step](heard.weighted[:, pair[0]])
        product = left * self.right[step](heard.weighted[:, pair[1]])
        dropped: Tensor = self.drop(product if carried is None else product * carried)
        return dropped


class MfbFusion(MfhFusion):
    """Factorised bilinear pooling: `MfhFusion` of the first order."""

    def __init__(self, shape: FusionShape) -> None:
        super().__init__(shape, order=1)


class LmfFusion(Joint):
    """z = sum_r w_r prod_m W_m^r [1 ; h_m] + b, rank 8 (low-rank fusion, Liu et al., ACL 2018)."""

    def __init__(self, shape: FusionShape) -> None:
        super().__init__(shape, shape.width)
        size = (shape.modalities, _RANK, shape.width + 1, shape.width)
        self.factors = nn.Parameter(torch.randn(size) * shape.width**-0.5)
        with torch.no_grad():
            self.factors[:, :, 0] += 1.0  # an absent modality multiplies by about 1
        self.ranks = nn.Parameter(torch.full((_RANK,), 1.0 / _RANK))
        self.bias = nn.Parameter(torch.zeros(shape.width))

    @override
    def summary(self, heard: Heard) -> Tensor:
        """Return the sum over ranks of the modalities' products."""
        one = torch.ones_like(heard.weighted[..., :1])
        longer = torch.cat([one, heard.weighted], dim=-1)  # (batch, M, width + 1)
        each = torch.einsum("bmi,mrio->bmro", longer, self.factors)  # (batch, M, rank, width)
        product = each[:, 0]
        for at in range(1, self.shape.modalities):
            product = product * each[:, at]
        return (product * self.ranks.unsqueeze(-1)).sum(1) + self.bias


class TfnFusion(Joint):
    """The outer product of [1 ; P_m h_m], eight features each (Zadeh et al., EMNLP 2017)."""

    def __init__(self, shape: FusionShape) -> None:
        super().__init__(shape, (_TENSOR_WIDTH + 1) ** shape.modalities)
        self.projections = nn.ModuleList(
            nn.Linear(shape.width, _TENSOR_WIDTH) for _ in range(shape.modalities)
        )

    @override
    def summary(self, heard: Heard) -> Tensor:
        """Return the flattened tensor, (batch, 9^M)."""
        one = torch.ones_like(heard.weight[:, :1])
        tensor = one
        for at, net in enumerate(self.projections):
            short = torch.tanh(net(heard.weighted[:, at])) * heard.present[:, at : at + 1]
            longer = torch.cat([one, short], dim=-1)  # (batch, 9)
            tensor = (tensor.unsqueeze(2) * longer.unsqueeze(1)).flatten(1)
        return tensor


def _pooled(product: Tensor) -> Tensor:
    pooled = product.reshape(product.shape[0], _PAIR_WIDTH, _FACTOR).sum(-1)  # (batch, 32)
    rooted = pooled * torch.rsqrt(pooled.abs() + _SOFT)
    return functional.normalize(rooted, dim=-1, eps=_SOFT)
