"""Limits that keep decoding safe; they change no array of a good window."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FeaturePolicy:
    """How far native decoders are trusted with one item."""

    max_scans: int = 64
    """Scans of a progressive JPEG; more is refused undecoded (a real one has up to 13)."""
    max_chunk_seconds: float = 120.0
    """Longest chunk of sound that is decoded, in seconds; reading stops there."""
    block_frames: int = 65_536
    """Frames read at once from compressed sound."""

    def __post_init__(self) -> None:
        """Refuse limits that let nothing through."""
        if self.max_scans < 1:
            raise ValueError(f"max_scans is {self.max_scans}; it must be at least 1")
        if self.max_chunk_seconds <= 0:
            raise ValueError(f"max_chunk_seconds is {self.max_chunk_seconds}; it must be above 0")
        if self.block_frames < 1:
            raise ValueError(f"block_frames is {self.block_frames}; it must be at least 1")
