"""The network on one page: arrays -> embeddings -> evidence, hazard, product."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from mmindustry.features.spec import CARD_WIDTH, OPERATING_WIDTH, PRODUCT
from mmindustry.fusion.encoders import encoder_parts, make_encoder
from mmindustry.fusion.encoders.image import REGION_WIDTH
from mmindustry.fusion.encoders.shape import Encoder
from mmindustry.fusion.fusions import make_fusion
from mmindustry.fusion.fusions.shape import FusionShape, Heard
from mmindustry.fusion.heads import FaultHead, HazardHead, NoHead, ProductHead
from mmindustry.fusion.items import Encoded, silent
from mmindustry.fusion.spec import NetworkSpec
from mmindustry.fusion.steering import Steering

POOL = "pool"
"""Name of the weights of a pooled network."""


class Answer(NamedTuple):
    """What the network says before calibration; the order is `spec.OUTPUTS`."""

    evidence: Tensor  # (batch, faults): fused, in nats, before the prior
    modal: Tensor  # (batch, 3, faults): each modality's, zero where absent, pooled as it counts
    hazard: Tensor  # (batch, bins): logits
    product: Tensor  # (batch, products): logits
    embeddings: Tensor  # (batch, 3, width): zero where absent
    gauges: Tensor  # (batch, gauges): shares of full scale; training only, not exported
    loss: Tensor  # (): what the fusion asks of training beside the answer; not exported
    speeds: Tensor  # (2, batch, speeds): see `Steering`; of none without it; not exported

    @property
    def served(self) -> tuple[Tensor, ...]:
        """What serving needs, in the order of `spec.OUTPUTS`."""
        return self.evidence, self.modal, self.hazard, self.product, self.embeddings


class Network(nn.Module):
    """Three encoders, one fusion module, three kinds of heads.

    A modality that is absent contributes nothing, whatever its arrays hold; with all absent the
    evidence is zero and the answer is the prior.
    """

    def __init__(self, spec: NetworkSpec, prior: Sequence[float] | NDArray[np.float64]) -> None:
        super().__init__()
        self.spec = spec
        self.image = make_encoder("image", spec.encoder("image"), spec)
        self.audio = make_encoder("audio", spec.encoder("audio"), spec)
        self.text = make_encoder("text", spec.encoder("text"), spec)
        self.steering = Steering(spec) if spec.steering else None
        self.heard = [at for at, there in enumerate(spec.heard) if there]
        self.faults = nn.ModuleList(FaultHead(spec) if at else NoHead(spec) for at in spec.heard)
        self.fusion = make_fusion(spec.fusion, self._fusion_shape())
        self.hazard = HazardHead(spec)
        regions = spec.recipe.regions if spec.heard[0] else ()
        self.product_region = regions.index(PRODUCT) if PRODUCT in regions else None
        self.product = ProductHead(
            spec, spec.width if self.product_region is None else REGION_WIDTH
        )
        self.gauge_region = regions.index("gauge") if "gauge" in regions else None
        gauge_width = spec.width if self.gauge_region is None else REGION_WIDTH
        self.gauges = nn.Linear(gauge_width, len(spec.gauges)) if spec.gauges else None
        log_prior = torch.log(torch.as_tensor(np.asarray(prior), dtype=torch.float32))
        self.register_buffer("log_prior", log_prior)  # (faults,)
        if spec.pooled:
            even = torch.ones(2 ** len(spec.modalities), len(spec.modalities))
            self.register_buffer(POOL, even)  # (patterns, modalities), see `pool_row`

    def _fusion_shape(self) -> FusionShape:
        spec, encoders = self.spec, (self.image, self.audio, self.text)
        return FusionShape(
            len(self.heard),
            spec.width,
            len(spec.faults),
            spec.dropout,
            CARD_WIDTH + OPERATING_WIDTH,
            tuple(encoders[at].feature_width for at in self.heard),
        )

    def prior(self) -> NDArray[np.float64]:
        """Return the share of each class that evidence stands on, (faults,)."""
        shares = np.exp(self.get_buffer("log_prior").double().cpu().numpy())
        prior: NDArray[np.float64] = shares / shares.sum()
        return prior

    def encoders(self) -> dict[str, Encoder]:
        """Return the encoders by `modality.name`, each part of joined ones."""
        named = zip(self.spec.modalities, (self.image, self.audio, self.text), strict=True)
        return {
            part: encoder
            for modality, whole in named
            for part, encoder in encoder_parts(modality, self.spec.encoder(modality), whole).items()
        }

    @override
    def forward(self, arrays: Mapping[str, Tensor], alike: Tensor | None = None) -> Answer:
        """Return the answer for a batch of arrays as the recipe shapes them.

        Args:
            arrays: Of the batch, by name.
            alike: (batch, batch) bool, in training: pairs of windows too alike to be contrasted.
        """
        return self.join(self.encode(arrays), arrays, alike)

    def encode(self, arrays: Mapping[str, Tensor]) -> tuple[Encoded, Encoded, Encoded]:
        """Return what each encoder says by itself: image, audio, text."""
        return self.image(arrays), self.audio(arrays), self.text(arrays)

    def join(
        self,
        encoded: tuple[Encoded, Encoded, Encoded],
        arrays: Mapping[str, Tensor],
        alike: Tensor | None = None,
    ) -> Answer:
        """Return the answer from what the encoders said, which costs a fraction of encoding.

        Of `arrays` it reads presence, quality, card, operating point and what steering needs, so
        controls may pair the picture of one window with the sound of another.
        """
        present = self._present(arrays["present"])  # (batch, 3)
        sound, speeds = self._steered(encoded[1], arrays)
        encoded = (encoded[0], sound, encoded[2])
        there = present.unsqueeze(-1) > 0  # (batch, 3, 1)
        embeddings = silent(torch.stack([one.embedding for one in encoded], dim=1), present)
        modal = self._pooled(self._modal(embeddings, there), present)  # (batch, 3, faults)
        heard = Heard(
            self._heard(embeddings),
            self._heard(modal),
            self._heard(present),
            self._heard(arrays["quality"]),
            tuple(encoded[at].items for at in self.heard),
            torch.cat([arrays["card"], arrays["operating"]], dim=-1),
            alike,
            tuple(encoded[at].features for at in self.heard),
        )
        fused = self.fusion(heard)
        picture = encoded[0]
        product = self.product(_read(picture, self.product_region, there))
        hazard = self.hazard(fused.trunk)  # (batch, bins)
        gauges = picture.embedding[:, :0]  # (batch, 0)
        if self.gauges is not None:
            gauges = self.gauges(_read(picture, self.gauge_region, there))
        return Answer(
            fused.evidence, modal, hazard, product, embeddings, gauges, fused.loss, speeds
        )

    def _steered(self, sound: Encoded, arrays: Mapping[str, Tensor]) -> tuple[Encoded, Tensor]:
        """Return what is heard, read by the speed that the tachometer shows where that is asked."""
        if self.steering is None:
            return sound, sound.embedding.new_zeros(2, sound.embedding.shape[0], 0)
        embedding, speeds = self.steering(sound.embedding, arrays)
        return sound._replace(embedding=embedding), speeds

    def _present(self, present: Tensor) -> Tensor:
        """Return presence (batch, 3), 0 for modalities that have no encoder."""
        if len(self.heard) == len(self.spec.modalities):
            return present
        columns = [
            present[:, at] if at in self.heard else torch.zeros_like(present[:, at])
            for at in range(len(self.spec.modalities))
        ]
        return torch.stack(columns, dim=1)

    def _heard(self, values: Tensor) -> Tensor:
        """Return the columns of modalities that have an encoder, (batch, heard, ...)."""
        if len(self.heard) == len(self.spec.modalities):
            return values
        return torch.stack([values[:, at] for at in self.heard], dim=1)

    def _modal(self, embeddings: Tensor, there: Tensor) -> Tensor:
        log_prior = self.get_buffer("log_prior")
        heads = [head(embeddings[:, m], log_prior) for m, head in enumerate(self.faults)]
        modal = torch.stack(heads, dim=1)  # (batch, 3, faults)
        return torch.where(there, modal, torch.zeros_like(modal))

    def _pooled(self, modal: Tensor, present: Tensor) -> Tensor:
        """Return what each modality says by its weight in this presence pattern."""
        if not self.spec.pooled:
            return modal
        worth = present.new_tensor([pool_row(one) for one in np.eye(present.shape[1]) > 0])
        row = ((present > 0).to(worth.dtype) * worth).sum(1).long()  # (batch,)
        return modal * self.get_buffer(POOL)[row].unsqueeze(-1)


def pool_row(present: Sequence[bool] | NDArray[np.bool_]) -> int:
    """Return the row of `Network.pool` that holds the weights of a presence pattern.

    >>> pool_row((True, False, True))
    5
    """
    return sum(1 << at for at, there in enumerate(reversed(present)) if there)


def _read(picture: Encoded, region: int | None, there: Tensor) -> Tensor:
    """Return a region's reading, or the whole embedding where there is none; zero where absent."""
    reading = picture.embedding
    if region is not None and picture.regions is not None:
        reading = picture.regions[:, region]  # (batch, region width)
    return torch.where(there[:, 0], reading, torch.zeros_like(reading))


class Positional(nn.Module):
    """The network with its arrays as arguments in the order of the spec's inputs, for export."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.inputs = cast("NetworkSpec", network.spec).inputs

    @override
    def forward(self, *arrays: Tensor) -> tuple[Tensor, ...]:
        """Return what serving needs of the network's answer, in the order of `spec.OUTPUTS`."""
        answer: Answer = self.network(dict(zip(self.inputs, arrays, strict=True)))
        return answer.served
