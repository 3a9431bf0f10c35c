"""The limits of what is let in, and which topic carries what."""

from collections.abc import Mapping
from dataclasses import dataclass

from mmindustry.domain import Modality

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecPolicy:
    """Limits that every message is held to before anything of it is decoded."""

    frames_topic: str = "mm.frames"
    """Topic of camera frames."""

    audio_topic: str = "mm.audio"
    """Topic of sound chunks."""

    logs_topic: str = "mm.logs"
    """Topic of log entries and work orders."""

    states_topic: str = "mm.states"
    """Topic of operating states."""

    max_ahead_seconds: float = 10.0
    """How far an event time may lie beyond its append time before it is replaced by it; 0..3600."""

    value_bytes: int = 20 * _MIB
    """Largest message value in bytes; 1 KiB..256 MiB."""

    image_pixels: int = 40_000_000
    """Most pixels a frame may have, by its header; 1..500,000,000."""

    image_side_pixels: int = 20_000
    """Longest side of a frame in pixels; 1..65,535."""

    image_scans: int = 100
    """Most scans of a progressive JPEG; each costs a whole pass over the picture; 1..1,000."""

    audio_channels: int = 8
    """Most channels of a chunk; 1..64."""

    audio_rate_min_hz: int = 4_000
    """Lowest sampling rate in Hz; at least 1."""

    audio_rate_max_hz: int = 384_000
    """Highest sampling rate in Hz; at least the lowest."""

    audio_seconds: float = 60.0
    """Longest chunk in seconds; above 0, up to 3600."""

    audio_samples: int = 8_000_000
    """Most samples of a chunk over all channels (32 MB once decoded); at least 1."""

    text_characters: int = 16_384
    """Characters kept of a log entry; the rest is cut off and flagged; at least 1."""

    def __post_init__(self) -> None:
        if len(self.modalities) != len(Modality):
            raise ValueError("each modality needs a topic of its own: two topic names are equal")
        if not all(self.modalities):
            raise ValueError("a topic name is empty")
        for name, low, high in _RANGES:
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} must be in {low}..{high}, got {value}")
        if self.audio_rate_min_hz > self.audio_rate_max_hz:
            raise ValueError("audio_rate_min_hz is above audio_rate_max_hz")

    @property
    def modalities(self) -> Mapping[str, Modality]:
        """Topic -> what it carries."""
        return {
            self.frames_topic: Modality.IMAGE,
            self.audio_topic: Modality.AUDIO,
            self.logs_topic: Modality.TEXT,
            self.states_topic: Modality.STATE,
        }

    def topic_of(self, modality: Modality) -> str:
        """Return the topic that carries `modality`."""
        return {carried: topic for topic, carried in self.modalities.items()}[modality]


_RANGES: tuple[tuple[str, float, float], ...] = (
    ("max_ahead_seconds", 0, 3600),
    ("value_bytes", 1024, 256 * _MIB),
    ("image_pixels", 1, 500_000_000),
    ("image_side_pixels", 1, 65_535),
    ("image_scans", 1, 1_000),
    ("audio_channels", 1, 64),
    ("audio_rate_min_hz", 1, 100_000_000),
    ("audio_rate_max_hz", 1, 100_000_000),
    ("audio_seconds", 0.001, 3600),
    ("audio_samples", 1, 2_000_000_000),
    ("text_characters", 1, 10_000_000),
)
