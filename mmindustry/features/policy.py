"""Limits that keep decoding safe; they change no array of a good window."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FeaturePolicy:
    """How far native decoders are trusted with one item."""

    scan_pixels: int = 200_000_000
    """Most pixels a progressive JPEG may pass over, scans times pixels; 1e6..1e10. A second of
    decoding is about 600 million."""
    chunk_seconds: float = 120.0
    """Longest chunk of sound that is decoded, in seconds, whatever its header says; above 0."""
    block_frames: int = 65_536
    """Frames read at once from compressed sound; at least 1."""

    def __post_init__(self) -> None:
        """Refuse limits that let nothing through."""
        if not 10**6 <= self.scan_pixels <= 10**10:
            raise ValueError(f"scan_pixels must be in 1e6..1e10, got {self.scan_pixels}")
        if self.chunk_seconds <= 0:
            raise ValueError(f"chunk_seconds must be above 0, got {self.chunk_seconds}")
        if self.block_frames < 1:
            raise ValueError(f"block_frames must be at least 1, got {self.block_frames}")
