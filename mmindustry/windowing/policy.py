"""How windows are cut, how long they wait, and how much they may hold."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowPolicy:
    """How long a window is and how long it waits for stragglers."""

    name: str = "tumbling-10s"
    """Name of the policy; part of every window's key, so change it when the lengths change."""

    length_seconds: float = 10.0
    """Window length in event time, seconds, 1 to 3600."""

    hop_seconds: float = 10.0
    """Distance between starts, seconds; equal to the length = tumbling. At most the length."""

    grace_seconds: float = 5.0
    """How far sources may be out of order, seconds of event time, 0 to 600."""

    max_wait_seconds: float = 15.0
    """How long beyond its length a window waits for a silent source, arrival seconds, 0 to 3600."""

    quiet_after_seconds: float = 60.0
    """Silence after which a source is reported, arrival seconds; at least three times its
    registered `every`."""

    stray_after_seconds: float = 3_600.0
    """Silence after which a source that the registry does not know is neither waited for nor
    missed any more, arrival seconds, at least `quiet_after_seconds`."""

    most_strays: int = 64
    """Sources that the registry does not know which are waited for, an asset, 0 to 1000; what
    others send is taken all the same."""

    horizon_seconds: float = 86_400.0
    """How far behind the frontier late evidence is still revised, seconds."""

    budget_bytes: int = 128 * 1024 * 1024
    """Media bytes a partition may hold in open windows and unsealed rows. Open windows take at
    most half; beyond that the longest open closes early, named `memory`."""

    close_limit: int = 64
    """Windows closed in one step, earliest ends first, 1 to 10000. The arrays of all of them are in
    memory together, about a megabyte each."""

    def __post_init__(self) -> None:
        """Refuse what can't work.

        Raises:
            ValueError: A value is out of its range.
        """
        checks = (
            (bool(self.name), "name must not be empty"),
            (1 <= self.length_seconds <= 3600, "length_seconds must be in 1..3600"),
            (0 < self.hop_seconds <= self.length_seconds, "hop_seconds must be in ]0, length]"),
            (0 <= self.grace_seconds <= 600, "grace_seconds must be in 0..600"),
            (0 <= self.max_wait_seconds <= 3600, "max_wait_seconds must be in 0..3600"),
            (self.quiet_after_seconds > 0, "quiet_after_seconds must be positive"),
            (
                self.stray_after_seconds >= self.quiet_after_seconds,
                "stray_after_seconds must be at least quiet_after_seconds",
            ),
            (0 <= self.most_strays <= 1000, "most_strays must be in 0..1000"),
            (self.horizon_seconds >= 0, "horizon_seconds must not be negative"),
            (self.budget_bytes >= 1024, "budget_bytes must be at least 1024"),
            (1 <= self.close_limit <= 10_000, "close_limit must be in 1..10000"),
        )
        for holds, message in checks:
            if not holds:
                raise ValueError(message)
