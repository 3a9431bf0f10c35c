"""Settings of the processes themselves, whatever they run."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPolicy:
    """Where a daemon keeps its files and how it ends."""

    data_dir: Path = Path("data")
    """Folder of what mmindustry writes, made if missing. The SQLite file, the local log, the
    archive and the gateway's spool lie in it too, unless a place of their own is set."""

    drain_seconds: float = 10.0
    """Time from SIGTERM until a daemon gives up the step in hand, 1..25 seconds."""

    workers: int = 1
    """Worker processes that `mmindustry run` starts, 1..256; SQLite admits one."""

    restart_limit: int = 5
    """Deaths of one process within ten minutes after which `mmindustry run` gives up, 1..1000."""

    def __post_init__(self) -> None:
        """Refuse what can't work.

        Raises:
            ValueError: A value is out of its range.
        """
        for name, low, high in (
            ("drain_seconds", 1, 25),
            ("workers", 1, 256),
            ("restart_limit", 1, 1000),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} must be in {low}..{high}, got {value}")
