"""How files are fed, and how the HTTP door behaves while the stream is away."""

from dataclasses import dataclass

from typing_extensions import override

from mmindustry.web.policy import WebPolicy

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPolicy:
    """How much of a plan is under way at once."""

    unacknowledged_seconds: float = 5.0
    """Most event time sent but not acknowledged, seconds, above 0; at most the grace and one
    window length, else windows that are whole at real speed come out partial."""

    batch_messages: int = 500
    """Most messages sent at once, 1 to 100000."""

    batch_bytes: int = 8 * _MIB
    """Bytes after which a batch is sent, 1 KiB to 1 GiB; a single item may be larger."""

    def __post_init__(self) -> None:
        """Refuse what can't work.

        Raises:
            ValueError: A value is out of its range.
        """
        if not self.unacknowledged_seconds > 0:
            raise ValueError("unacknowledged_seconds must be above 0")
        if not 1 <= self.batch_messages <= 100_000:
            raise ValueError("batch_messages must be in 1..100000")
        if not 1024 <= self.batch_bytes <= 1024 * _MIB:
            raise ValueError("batch_bytes must be in 1024..1073741824")


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayPolicy(WebPolicy):
    """Address, access and limits of the gateway, and its spool."""

    port: int = 8081
    """TCP port, 0..65535; 0 takes a free one."""

    spool_folder: str = "data/spool"
    """Where events wait while the stream is away; made when missing."""

    spool_bytes: int = 4096 * _MIB
    """Most bytes that wait, at least 1 MiB; above, events are refused with 503."""

    forward_seconds: float = 1.0
    """Pause between two tries to reach the stream again, seconds, 0.01 to 60."""

    stream_seconds: float = 5.0
    """Longest wait for the stream's acknowledgement before an event goes to the spool, seconds,
    0.1 to 60."""

    @override
    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            ValueError: A value is out of its range.
        """
        WebPolicy.__post_init__(self)
        if not self.spool_folder:
            raise ValueError("spool_folder needs a path")
        if self.spool_bytes < _MIB:
            raise ValueError("spool_bytes must be at least 1048576")
        for name, low, high in (("forward_seconds", 0.01, 60), ("stream_seconds", 0.1, 60)):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} must be in {low:g}..{high:g}")
