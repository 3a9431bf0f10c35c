"""One thing watched on one asset: on-delay, hysteresis, off-delay, as a pure step."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from mmindustry.domain import Change


@dataclass(frozen=True, slots=True)
class Limits:
    """When a track raises and clears: `k` of `n` scores >= `on`, then `calm` in a row < `off`."""

    on: float
    off: float
    k: int
    n: int
    calm: int


@dataclass(frozen=True, slots=True)
class Track:
    """What is remembered of one fault: the last votes while inactive, the windows in a row below
    the off threshold while active. `window` names the alarm that is active, None = none; its
    priority and source are told again when it clears."""

    votes: tuple[int, ...] = ()
    calm: int = 0
    window: str | None = None
    raised_at: datetime | None = None
    priority: str = ""
    source: str = ""

    @property
    def is_blank(self) -> bool:
        """Whether forgetting it changes nothing: inactive, and no vote stands."""
        return self.window is None and not any(self.votes)

    def to_json(self) -> dict[str, object]:
        """Return plain JSON."""
        if self.window is None or self.raised_at is None:
            return {"votes": list(self.votes)}
        at = self.raised_at.isoformat()
        told = {"priority": self.priority, "source": self.source}
        return {"window": self.window, "raised_at": at, "calm": self.calm, **told}

    @classmethod
    def from_json(cls, memory: Mapping[str, object]) -> "Track":
        """Return what `to_json` wrote."""
        if "window" not in memory:
            votes = memory.get("votes")
            return cls(votes=tuple(votes) if isinstance(votes, list) else ())
        return cls(
            calm=int(str(memory["calm"])),
            window=str(memory["window"]),
            raised_at=datetime.fromisoformat(str(memory["raised_at"])),
            priority=str(memory["priority"]),
            source=str(memory["source"]),
        )


def advance(
    track: Track, score: float, limits: Limits, *, is_sound: bool
) -> tuple[Track, Change | None]:
    """Return the track after one more window, and what changed.

    Args:
        track: Before.
        score: Of this window.
        limits: Thresholds and delays.
        is_sound: False where the window is partial or of low quality: it may vote for an alarm
            and is one of the last `n`, but never counts towards clearing.

    >>> limits = Limits(on=0.6, off=0.45, k=2, n=3, calm=1)
    >>> track, change = advance(Track(), 0.9, limits, is_sound=True)
    >>> advance(track, 0.7, limits, is_sound=True)[1]
    <Change.RAISED: 'raised'>
    """
    if track.window is not None:
        return _calmed(track, score, limits, is_sound=is_sound)
    vote = int(score >= limits.on)
    votes = (*track.votes, vote)[-limits.n :]
    if vote and sum(votes) >= limits.k:
        return replace(track, votes=()), Change.RAISED
    return replace(track, votes=votes), None


def _calmed(
    track: Track, score: float, limits: Limits, *, is_sound: bool
) -> tuple[Track, Change | None]:
    if score >= limits.off:
        return replace(track, calm=0), None
    if not is_sound:
        return track, None
    if track.calm + 1 >= limits.calm:
        return Track(), Change.CLEARED
    return replace(track, calm=track.calm + 1), None
