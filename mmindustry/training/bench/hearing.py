"""A network's answers to windows taken apart and put together again: encode once, join often."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmindustry.fusion.calibration import PATTERNS
from mmindustry.fusion.items import Encoded, Items
from mmindustry.fusion.network import Network
from mmindustry.training.dataset import DataSet

Rows = NDArray[np.int64]
Evidence = NDArray[np.float64]

_BATCH = 64
_JOINED = 512
_OF_IMAGE = ("image_dial", "image_dial_known")
_OF_AUDIO = ("audio_speeds", "card", "operating")


@dataclass(frozen=True, slots=True)
class Said:
    """What the encoders said of each window, and what joining needs beside it."""

    network: Network
    encoded: tuple[Encoded, Encoded, Encoded]
    arrays: Mapping[str, Tensor]

    def __len__(self) -> int:
        return len(self.arrays["present"])

    def evidence(self, present: tuple[bool, ...] = (True, True, True)) -> Evidence:
        """Return the fused evidence (windows, faults) with only these modalities shown."""
        own = np.arange(len(self))
        return self.mixed(own, own, own, present=present)

    def alone(self, modality: int) -> Evidence:
        """Return what one modality's own head says (windows, faults), nothing else shown."""
        present = tuple(at == modality for at in range(3))
        own = np.arange(len(self))
        return self.mixed(own, own, own, present=present, head=modality)

    def mixed(
        self,
        image: Rows,
        audio: Rows,
        text: Rows,
        *,
        present: tuple[bool, ...] = (True, True, True),
        head: int | None = None,
    ) -> Evidence:
        """Return the evidence of windows put together from the picture of one, the sound (with card
        and operating point) of another and the text of a third, (windows, faults)."""
        parts = [
            self._joined(image[at], audio[at], text[at], present=present, head=head)
            for at in _blocks(len(image), _JOINED)
        ]
        return np.concatenate(parts).astype(np.float64)

    def _joined(
        self,
        image: Rows,
        audio: Rows,
        text: Rows,
        *,
        present: tuple[bool, ...],
        head: int | None,
    ) -> NDArray[np.float32]:
        rows = tuple(torch.from_numpy(np.asarray(one)) for one in (image, audio, text))
        arrays = {n: self.arrays[n][rows[0]] for n in _OF_IMAGE if n in self.arrays}
        arrays |= {n: self.arrays[n][rows[1]] for n in _OF_AUDIO if n in self.arrays}
        for name in ("present", "quality"):
            columns = [self.arrays[name][row, at] for at, row in enumerate(rows)]
            arrays[name] = torch.stack(columns, dim=1)
        arrays["present"] = arrays["present"] * torch.tensor(present, dtype=torch.float32)
        one, two, three = (_rows(e, r) for e, r in zip(self.encoded, rows, strict=True))
        with torch.inference_mode():
            answer = self.network.join((one, two, three), arrays)
        found = answer.evidence if head is None else answer.modal[:, head]
        return np.asarray(found.numpy(), np.float32)


def listen(network: Network, data: DataSet, rows: Rows) -> Said:
    """Return what the network's encoders say of these windows."""
    network.eval()
    kept: list[Mapping[str, Tensor]] = []
    said: list[tuple[Encoded, Encoded, Encoded]] = []
    names = ("present", "quality", *_OF_IMAGE, *_OF_AUDIO)
    with torch.inference_mode():
        for at in _blocks(len(rows), _BATCH):
            batch = {n: torch.from_numpy(a) for n, a in data.batch(rows[at]).items()}
            kept.append({name: batch[name] for name in names if name in batch})
            said.append(network.encode(batch))
    arrays = {name: torch.cat([part[name] for part in kept]) for name in kept[0]}
    one, two, three = (_joined([part[at] for part in said]) for at in range(3))
    return Said(network, (one, two, three), arrays)


def patterns(said: Said) -> dict[str, Evidence]:
    """Return the evidence of each of the seven presence patterns."""
    return {name: said.evidence(present) for name, present in PATTERNS.items()}


def additive(said: Said, *, draws: int, seed: int) -> Evidence:
    """Return the best additive copy of the network's evidence, (windows, faults).

    EMAP (Hessel & Lee, EMNLP 2020) for three modalities: the sum of each one's effect, which is the
    mean over foreign partners less the mean of all. What the copy loses against the network is what
    the network knows only by bringing modalities together. All windows meet the same `draws`
    partners, so that an additive network is its own copy but for a constant.
    """
    count = len(said)
    random = np.random.default_rng(seed)
    own, zero = np.arange(count), np.zeros(count, np.int64)
    effects = np.zeros((3, *said.evidence().shape))
    for _ in range(draws):
        image, audio, text = (zero + int(at) for at in random.integers(count, size=3))
        effects[0] += said.mixed(own, audio, text)
        effects[1] += said.mixed(image, own, text)
        effects[2] += said.mixed(image, audio, own)
    effects /= draws
    means = effects.mean(axis=1, keepdims=True)  # (3, 1, faults)
    found: Evidence = (effects - means).sum(axis=0) + means.mean(axis=0)
    return found


def _blocks(count: int, size: int) -> Iterator[slice]:
    for at in range(0, count, size):
        yield slice(at, at + size)


def _rows(encoded: Encoded, rows: Tensor) -> Encoded:
    regions = encoded.regions[rows] if encoded.regions is not None else None
    return Encoded(encoded.embedding[rows], Items(*(t[rows] for t in encoded.items)), regions)


def _joined(parts: Sequence[Encoded]) -> Encoded:
    regions = [part.regions for part in parts if part.regions is not None]
    items = zip(*(part.items for part in parts), strict=True)
    return Encoded(
        torch.cat([part.embedding for part in parts]),
        Items(*(torch.cat(tensors) for tensors in items)),
        torch.cat(regions) if regions else None,
    )
