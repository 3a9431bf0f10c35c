"""Changes that leave the truth as it is, drawn anew at every step (learning.md 5.4)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from mmindustry.features.spec import Recipe
from mmindustry.training.policy import AugmentPolicy

Batch = dict[str, Tensor]

_WHOLLY_FOREIGN = 1.5
"""Upper end of the share of foreign words: whatever is drawn above 1 is a whole entry."""
_QUIETEST_DB, _LOUDEST_DB = -6.0, 6.0


@dataclass(frozen=True, slots=True)
class Augment:
    """Changes batches. All that is random comes from the generator it is given, on the CPU, so
    that a step can be repeated."""

    policy: AugmentPolicy = field(default_factory=AugmentPolicy)
    modality_dropout: float = 0.25
    recipe: Recipe = field(default_factory=Recipe)
    """Tells how the log-mel is scaled."""
    outages: Tensor | None = None
    """(patterns, modalities): presence in real windows that missed something, one row each."""

    def __call__(
        self, batch: Batch, random: torch.Generator, healthy: Tensor | None = None
    ) -> Batch:
        """Return the batch changed; tensors that change are new ones.

        Args:
            batch: Arrays by name.
            random: What is drawn from.
            healthy: (batch,) bool, windows whose sound may lie under another's.
        """
        drawn = _Drawn(batch, random, self.policy)
        changed = dict(batch)
        changed["audio_logmel"] = drawn.logmel(batch["audio_logmel"], healthy, self.recipe)
        changed |= drawn.pictures()
        for name in ("text_ids", "text_words"):
            if name in batch:  # a recipe need not number words
                kept = drawn.kept(batch[name].shape, self.policy.token_dropout)
                changed[name] = batch[name] * kept
        for name, spans in text_spans(self.recipe).items() if self.policy.foreign else ():
            if name in batch:
                changed[name] = drawn.foreign(changed[name], spans)
        for name in ("audio_mask", "image_mask", "text_mask"):
            changed[name] = _thinned(
                batch[name], drawn.kept(batch[name].shape, self.policy.item_dropout)
            )
        told = drawn.kept((len(batch["operating"]), 1), self.policy.operating_dropout)
        changed["operating"] = batch["operating"] * told
        present = self._after_outage(batch["present"], drawn)
        changed["present"] = _thinned(present, drawn.kept(present.shape, self.modality_dropout))
        return changed

    def _after_outage(self, present: Tensor, drawn: "_Drawn") -> Tensor:
        """Take away what a real outage took away elsewhere (missing not at random)."""
        if not self.policy.outages or self.outages is None or not len(self.outages):
            return present
        struck = ~drawn.kept((len(present), 1), self.policy.outages)
        which = torch.randint(len(self.outages), (len(present),), generator=drawn.random)
        pattern = self.outages[which].to(present)
        return _thinned(present, torch.where(struck, pattern, torch.ones_like(pattern)))


@dataclass(frozen=True, slots=True)
class _Drawn:
    """The draws of one batch."""

    batch: Batch
    random: torch.Generator
    policy: AugmentPolicy

    @property
    def device(self) -> torch.device:
        """Where the batch lies."""
        return self.batch["present"].device

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Return numbers in low..high where the batch lies."""
        drawn = torch.rand(shape, generator=self.random) * (high - low) + low
        return drawn.to(self.device)

    def around(self, *shape: int, reach: float) -> Tensor:
        """Return numbers in -reach..reach."""
        return self.uniform(*shape, low=-reach, high=reach)

    def kept(self, shape: tuple[int, ...], dropout: float) -> Tensor:
        """Return which places are kept, bool."""
        return self.uniform(*shape) >= dropout

    def noise(self, shape: tuple[int, ...], spread: float) -> Tensor:
        """Return Gaussian noise."""
        return (torch.randn(shape, generator=self.random) * spread).to(self.device)

    def logmel(self, logmel: Tensor, healthy: Tensor | None, recipe: Recipe) -> Tensor:
        """Another gain and tilt of the microphone, another background; a band and a moment masked
        (SpecAugment, Park et al., Interspeech 2019)."""
        asked = self.policy
        batch, _, bands, frames = logmel.shape
        if asked.background and healthy is not None:
            logmel = self._mixed(logmel, healthy, recipe)
        slope = torch.linspace(-1.0, 1.0, bands, device=logmel.device).view(1, 1, bands, 1)
        gain = self.around(batch, 1, 1, 1, reach=asked.gain)
        heard = logmel + (gain + slope * self.around(batch, 1, 1, 1, reach=asked.tilt))
        if asked.sound_noise:
            heard = heard + self.noise(heard.shape, asked.sound_noise)
        band = self._span(batch, bands, longest=asked.masked_bands).view(batch, 1, bands, 1)
        moment = self._span(batch, frames, longest=asked.masked_moments).view(batch, 1, 1, frames)
        mean = heard.mean(dim=(2, 3), keepdim=True)
        return torch.where(band | moment, mean, heard)

    def _mixed(self, logmel: Tensor, healthy: Tensor, recipe: Recipe) -> Tensor:
        """Add a healthy window's mel power to that of others, at -6 to +6 dB of their means."""
        donors = torch.nonzero(healthy & (self.batch["audio_mask"].sum(1) > 0)).flatten().cpu()
        if not len(donors):
            return logmel
        batch = len(logmel)
        chosen = donors[torch.randint(len(donors), (batch,), generator=self.random)].to(self.device)
        power = _power(logmel, recipe)
        under = power[chosen]
        loudness = power.mean((2, 3), keepdim=True) / under.mean((2, 3), keepdim=True)
        decibels = self.uniform(batch, 1, 1, 1, low=_QUIETEST_DB, high=_LOUDEST_DB)
        mixed = torch.log10(power + under * loudness * 10.0 ** (decibels / 10.0))
        scaled = (mixed - recipe.mel_mean) / recipe.mel_scale
        heard = (self.batch["audio_mask"] * self.batch["audio_mask"][chosen]) > 0
        taken = ~self.kept((batch, 1), self.policy.background) & heard  # (batch, items)
        return torch.where(taken[:, :, None, None], scaled, logmel)

    def _span(self, batch: int, size: int, *, longest: int) -> Tensor:
        begin = self.uniform(batch, 1, high=float(size))
        length = self.uniform(batch, 1, high=float(longest))
        place = torch.arange(size, device=self.device).unsqueeze(0)
        return (place >= begin) & (place < begin + length)  # (batch, size)

    def foreign(self, ids: Tensor, spans: Sequence[int]) -> Tensor:
        """Put unknown words in the place of some or all of an entry's."""
        struck = ~self.kept(ids.shape[:2], self.policy.foreign)
        share = self.uniform(*ids.shape[:2], high=_WHOLLY_FOREIGN) * struck
        return foreign_words(ids, share, spans, self.random)

    def pictures(self) -> Batch:
        """One exposure and contrast for all pictures of a window; the frame moves by pixels."""
        asked, batch = self.policy, self.batch
        count = len(batch["present"])
        gain = 1.0 + self.around(count, 1, 1, 1, 1, reach=asked.light)
        shift = self.around(count, 1, 1, 1, 1, reach=0.4 * asked.light)
        offset = 0.5 + shift - 0.5 * gain
        seen = {name: batch[name] for name in ("image_frames", "image_delta", "image_regions")}
        for name in ("image_frames", "image_regions") if asked.light else ():
            seen[name] = torch.addcmul(offset, seen[name], gain)
        for name in ("image_frames", "image_regions") if asked.picture_noise else ():
            seen[name] = seen[name] + self.noise(seen[name].shape, asked.picture_noise)
        if asked.light or asked.picture_noise:
            seen |= {
                name: seen[name].clamp_(0.0, 1.0) for name in ("image_frames", "image_regions")
            }
        if asked.crop:
            seen |= self._cropped(seen)
        if asked.shift_pixels:
            reach = asked.shift_pixels
            down, right = torch.randint(-reach, reach + 1, (2,), generator=self.random).tolist()
            seen = {n: torch.roll(tensor, (down, right), (-2, -1)) for n, tensor in seen.items()}
        return seen

    def _cropped(self, seen: Batch) -> Batch:
        """Enlarge one part of all frames of the batch, and of their change, to the whole."""
        size = seen["image_frames"].shape[-1]
        cut, down, right = self.uniform(3).tolist()
        side = max(1, round(size * (1.0 - cut * self.policy.crop)))
        top, left = round(down * (size - side)), round(right * (size - side))
        found = {}
        for name in ("image_frames", "image_delta"):
            part = seen[name][..., top : top + side, left : left + side].flatten(0, 1)
            whole = functional.interpolate(part, (size, size), mode="bilinear", align_corners=False)
            found[name] = whole.reshape(seen[name].shape)
        return found


def _power(logmel: Tensor, recipe: Recipe) -> Tensor:
    power: Tensor = 10.0 ** (logmel * recipe.mel_scale + recipe.mel_mean)
    return power


def _thinned(mask: Tensor, kept: Tensor) -> Tensor:
    """Return the mask where it is kept; as it was in rows where nothing would be left."""
    thinned = mask * kept
    return torch.where(thinned.sum(1, keepdim=True) > 0, thinned, mask)


def text_spans(recipe: Recipe) -> dict[str, tuple[int, ...]]:
    """Return the ids of each text array that are of one kind: where each kind begins, and behind
    the last where it ends. Word pieces are not hashed: an unknown word is spelt in known ones.

    >>> text_spans(Recipe(word_ids=100, ngram_ids=900, word_rows=50))
    {'text_ids': (1, 100, 1000), 'text_words': (1, 50)}
    """
    return {
        "text_ids": (1, recipe.word_ids, recipe.vocabulary),
        "text_words": (1, recipe.word_rows),
    }


def foreign_words(
    ids: Tensor, share: Tensor, spans: Sequence[int], random: torch.Generator
) -> Tensor:
    """Return text ids with others drawn at random in their place: what unknown words hash to.

    Each gives way to one of its own kind; padding stays.

    Args:
        ids: (batch, entries, tokens).
        share: (batch, entries), of each entry's ids; 1 and above is all of them.
        spans: As `text_spans` has them.
        random: What is drawn from, on the CPU.
    """
    drawn, chosen = (torch.rand(ids.shape, generator=random).to(ids.device) for _ in range(2))
    bounds = torch.tensor(spans, device=ids.device)
    kind = torch.bucketize(ids.long(), bounds, right=True).clamp(1, len(spans) - 1)
    first, end = bounds[kind - 1], bounds[kind]
    count = end - first
    others = first + (drawn * count).long().clamp(max=count - 1)
    taken = (chosen < share.unsqueeze(-1)) & (ids > 0)
    return torch.where(taken, others.to(ids.dtype), ids)
