"""Changes that leave the truth as it is, drawn anew at every step (learning.md 5.4)."""

import torch
from torch import Tensor

Batch = dict[str, Tensor]


class Augment:
    """Draws from its own generator, so that a run can be repeated."""

    def __init__(self, seed: int, *, modality_dropout: float) -> None:
        self._random = torch.Generator().manual_seed(seed)
        self._dropout = modality_dropout

    def __call__(self, batch: Batch) -> Batch:
        """Return the batch changed; tensors that change are new ones."""
        changed = dict(batch)
        changed["audio_logmel"] = self._logmel(batch["audio_logmel"])
        self._light(changed)
        changed["text_ids"] = self._tokens(batch["text_ids"])
        for name in ("audio_mask", "image_mask", "text_mask"):
            changed[name] = self._items(batch[name])
        changed["operating"] = self._operating(batch["operating"])
        changed["present"] = self._modalities(batch["present"])
        return changed

    def _uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return torch.rand(shape, generator=self._random) * (high - low) + low

    def _logmel(self, logmel: Tensor) -> Tensor:
        """Another gain and tilt of the microphone; a band and a moment masked (SpecAugment)."""
        batch, _, bands, frames = logmel.shape
        tilt = torch.linspace(-1.0, 1.0, bands).view(1, 1, bands, 1)
        gain = self._uniform(batch, 1, 1, 1, low=-0.15, high=0.15)
        logmel = logmel + gain + tilt * self._uniform(batch, 1, 1, 1, low=-0.12, high=0.12)
        band = self._span(batch, bands, longest=8).view(batch, 1, bands, 1)
        moment = self._span(batch, frames, longest=10).view(batch, 1, 1, frames)
        mean = logmel.mean(dim=(2, 3), keepdim=True)
        return torch.where(band | moment, mean, logmel)

    def _span(self, batch: int, size: int, *, longest: int) -> Tensor:
        begin = self._uniform(batch, 1, high=float(size))
        length = self._uniform(batch, 1, high=float(longest))
        place = torch.arange(size).unsqueeze(0)
        return (place >= begin) & (place < begin + length)  # (batch, size)

    def _light(self, batch: Batch) -> None:
        """One exposure and contrast for all pictures of a window; the frame moves by pixels."""
        count = len(batch["present"])
        gain = self._uniform(count, 1, 1, 1, 1, low=0.85, high=1.15)
        shift = self._uniform(count, 1, 1, 1, 1, low=-0.06, high=0.06)
        for name in ("image_frames", "image_regions"):
            batch[name] = ((batch[name] - 0.5) * gain + 0.5 + shift).clamp(0.0, 1.0)
        down, right = torch.randint(-2, 3, (2,), generator=self._random).tolist()
        for name in ("image_frames", "image_delta", "image_regions"):
            batch[name] = torch.roll(batch[name], (down, right), dims=(-2, -1))

    def _tokens(self, ids: Tensor) -> Tensor:
        """Forget one token in ten, as other spellings do."""
        kept = torch.rand(ids.shape, generator=self._random) >= 0.1  # noqa: PLR2004 - as said
        return ids * kept

    def _items(self, mask: Tensor) -> Tensor:
        """Lose one item in ten, never the last that is there."""
        kept = torch.rand(mask.shape, generator=self._random) >= 0.1  # noqa: PLR2004 - as said
        thinned = mask * kept
        return torch.where(thinned.sum(1, keepdim=True) > 0, thinned, mask)

    def _operating(self, operating: Tensor) -> Tensor:
        """Forget the operating point now and then: not every plant tells it."""
        kept = self._uniform(len(operating), 1) >= 0.1  # noqa: PLR2004 - one in ten
        return operating * kept

    def _modalities(self, present: Tensor) -> Tensor:
        """Hide modalities, but never all that are there."""
        kept = torch.rand(present.shape, generator=self._random) >= self._dropout
        hidden = present * kept
        return torch.where(hidden.sum(1, keepdim=True) > 0, hidden, present)
