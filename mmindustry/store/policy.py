"""Where the record is, how patient its callers are, and how long facts are kept."""

from dataclasses import dataclass
from typing import Literal


def _require(checks: tuple[tuple[bool, str], ...]) -> None:
    """Raise ValueError with the message of the first check that does not hold."""
    for holds, message in checks:
        if not holds:
            raise ValueError(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class StorePolicy:
    """The database, and how long one waits for it."""

    url: str = "sqlite:///data/mmindustry.db"
    """`sqlite:///FILE` (one worker) or `postgresql://USER:PASSWORD@HOST/NAME`."""

    synchronous: Literal["full", "normal"] = "full"
    """SQLite: `full` survives a power cut, `normal` may lose the last transactions, never more."""

    busy_timeout_seconds: float = 5.0
    """SQLite: how long a write waits for another process's write, seconds, 0.1 to 60."""

    connect_timeout_seconds: int = 4
    """PostgreSQL: how long opening a connection may take, seconds, 1 to 60."""

    statement_timeout_seconds: float = 30.0
    """PostgreSQL: how long the server works on one statement, seconds, 1 to 3600."""

    idle_in_transaction_seconds: float = 5.0
    """PostgreSQL: after this pause the server ends an open transaction, so that a frozen worker
    keeps no lock; seconds, 1 to 60."""

    deadline_seconds: float = 60.0
    """PostgreSQL: after this the connection is cut from our side, for a frozen server process
    heeds no timeout; seconds, above `statement_timeout_seconds`."""

    retry_first_seconds: float = 0.1
    """Longest pause before the second try, seconds, 0.01 to 10; it doubles with each try."""

    retry_most_seconds: float = 10.0
    """Longest pause between tries, seconds, 0.1 to 300."""

    upgrade: Literal["auto", "never"] = "auto"
    """`auto` brings a SQLite database to the newest layout when it is opened; PostgreSQL is only
    upgraded by `mmindustry db upgrade`."""

    days_ahead: int = 3
    """PostgreSQL: for how many coming days tables get a partition of their own, 1 to 31."""

    def __post_init__(self) -> None:
        """Refuse what can't work.

        Raises:
            ValueError: A value is out of its range.
        """
        _require(
            (
                (
                    self.url.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")),
                    "url must begin with sqlite:/// or postgresql://",
                ),
                (
                    0.1 <= self.busy_timeout_seconds <= 60,
                    "busy_timeout_seconds must be in 0.1..60",
                ),
                (
                    1 <= self.connect_timeout_seconds <= 60,
                    "connect_timeout_seconds must be in 1..60",
                ),
                (
                    1 <= self.statement_timeout_seconds <= 3600,
                    "statement_timeout_seconds must be in 1..3600",
                ),
                (
                    1 <= self.idle_in_transaction_seconds <= 60,
                    "idle_in_transaction_seconds must be in 1..60",
                ),
                (
                    self.deadline_seconds > self.statement_timeout_seconds,
                    "deadline_seconds must be above statement_timeout_seconds",
                ),
                (0.01 <= self.retry_first_seconds <= 10, "retry_first_seconds must be in 0.01..10"),
                (0.1 <= self.retry_most_seconds <= 300, "retry_most_seconds must be in 0.1..300"),
                (1 <= self.days_ahead <= 31, "days_ahead must be in 1..31"),
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPolicy:
    """What a window's context holds, when late evidence is too late, and what leaves."""

    entries: int = 20
    """Most log entries in a window's context, 0 to 1000."""

    entry_bytes: int = 8192
    """Most bytes (UTF-8) of their texts together, 1 to 1 MiB; the newest entry is always in."""

    look_back_seconds: float = 7 * 86_400.0
    """How old a log entry may be at the window's end, seconds, above 0."""

    state_look_back_seconds: float = 3600.0
    """How old the operating state before a window may be at its start, seconds; an older one says
    nothing of the machine any more."""

    horizon_seconds: float = 86_400.0
    """How far behind its asset's frontier late evidence is still revised, seconds; the same number
    as in the windowing section."""

    alarm_channels: tuple[str, ...] = ("alertmanager", "webhook")
    """The ways out of an alarm's change: `alertmanager`, `webhook`, `mm.alarms`, in any number."""

    publish_predictions: bool = False
    """Whether each prediction leaves on `mm.predictions`."""

    def __post_init__(self) -> None:
        """Refuse what can't work.

        Raises:
            ValueError: A value is out of its range.
        """
        known = {"alertmanager", "webhook", "mm.alarms"}
        _require(
            (
                (0 <= self.entries <= 1000, "entries must be in 0..1000"),
                (1 <= self.entry_bytes <= 1024 * 1024, "entry_bytes must be in 1..1048576"),
                (self.look_back_seconds > 0, "look_back_seconds must be above 0"),
                (self.state_look_back_seconds >= 0, "state_look_back_seconds must be 0 or more"),
                (self.horizon_seconds >= 0, "horizon_seconds must be 0 or more"),
                (
                    known.issuperset(self.alarm_channels)
                    and len(set(self.alarm_channels)) == len(self.alarm_channels),
                    f"alarm_channels must be different ones of {', '.join(sorted(known))}",
                ),
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxPolicy:
    """How a row that wants to leave is tried again."""

    lease_seconds: float = 60.0
    """How long a claimed row is its notifier's alone, seconds, 1 to 3600."""

    backoff_first_seconds: float = 2.0
    """Pause after the first failure, seconds, 0.1 to 3600; it doubles with each."""

    backoff_most_seconds: float = 300.0
    """Longest pause between tries, seconds, 1 to 86400."""

    def __post_init__(self) -> None:
        """Refuse what can't work.

        Raises:
            ValueError: A value is out of its range.
        """
        _require(
            (
                (1 <= self.lease_seconds <= 3600, "lease_seconds must be in 1..3600"),
                (
                    0.1 <= self.backoff_first_seconds <= 3600,
                    "backoff_first_seconds must be in 0.1..3600",
                ),
                (
                    1 <= self.backoff_most_seconds <= 86_400,
                    "backoff_most_seconds must be in 1..86400",
                ),
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicy:
    """Days from writing after which facts go; 0 = never. The ledger keeps their count."""

    raw_days: float = 3.0
    """Raw evidence (shards); sound may hold speech, so its default is short. Evidence of alarms
    stays as long as the alarm."""

    windows_days: float = 400.0
    """Windows, late lists, log entries, operating states, gaps and dead letters."""

    predictions_days: float = 400.0
    """Predictions."""

    alarms_days: float = 1830.0
    """Alarms that are cleared, with their trails."""

    outbox_days: float = 7.0
    """Outbox rows that have left, or were refused."""

    labels_days: float = 0.0
    """Labels: what people said is the dearest data there is."""

    hold_before_seconds: float = 900.0
    """How far before an alarm its windows are held with it, seconds, 0 or more."""

    batch: int = 500
    """Rows a transaction deletes, so that the worker never waits long; 10 to 10000."""

    def __post_init__(self) -> None:
        """Refuse what can't work.

        Raises:
            ValueError: A value is out of its range.
        """
        classes = ("raw", "windows", "predictions", "alarms", "outbox", "labels")
        days = [f"{name}_days" for name in classes]
        _require(
            (
                *((getattr(self, name) >= 0, f"{name} must be 0 or more") for name in days),
                (self.hold_before_seconds >= 0, "hold_before_seconds must be 0 or more"),
                (10 <= self.batch <= 10_000, "batch must be in 10..10000"),
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivePolicy:
    """Where raw evidence is kept, and in how large pieces."""

    url: str = "data/archive"
    """A folder, `file://FOLDER`, an object store (`s3://`, `gs://`, `az://`; extra `objects`), or
    `off`: then every window says that its evidence is lost."""

    shard_bytes: int = 64 * 1024 * 1024
    """A partition's rows are sealed into a shard once they hold this many bytes, 1 KiB to 1 GiB."""

    shard_seconds: float = 60.0
    """... or once the oldest has waited this long, seconds, 0 to 3600."""

    held_bytes: int = 256 * 1024 * 1024
    """Most bytes that wait over all partitions; above, the fullest is sealed at once."""

    free_bytes: int = 512 * 1024 * 1024
    """Free space that is left alone on a local disk: the archive stops first; 0 or more."""

    retry_seconds: float = 5.0
    """Pause before a shard is tried again that a disk or network refused, seconds, 0 to 3600."""

    def __post_init__(self) -> None:
        """Refuse what can't work.

        Raises:
            ValueError: A value is out of its range.
        """
        _require(
            (
                (bool(self.url), "url is empty; write `off` for no archive"),
                (
                    1024 <= self.shard_bytes <= 1024**3,
                    "shard_bytes must be in 1024..1073741824",
                ),
                (0 <= self.shard_seconds <= 3600, "shard_seconds must be in 0..3600"),
                (self.held_bytes >= self.shard_bytes, "held_bytes must be at least shard_bytes"),
                (self.free_bytes >= 0, "free_bytes must be 0 or more"),
                (0 <= self.retry_seconds <= 3600, "retry_seconds must be in 0..3600"),
            )
        )
