"""The Recorder port over SQLite or PostgreSQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from mmindustry.clock import Clock
from mmindustry.codec.partition import partition_of
from mmindustry.domain import (
    Claim,
    Context,
    Event,
    Failed,
    Fresh,
    LastPicture,
    Prediction,
    Revisable,
    Step,
    Untaken,
    Window,
    WindowKey,
)
from mmindustry.store.claims import read_claims
from mmindustry.store.contexts import Surroundings
from mmindustry.store.database import Database
from mmindustry.store.days import ensure_days
from mmindustry.store.duplicates import sort_untaken
from mmindustry.store.fence import Fence, Mark, raise_epoch
from mmindustry.store.policy import RecordPolicy
from mmindustry.store.recent import read_pictures, read_recent
from mmindustry.store.registry import Library
from mmindustry.store.retry import Patience
from mmindustry.store.revisions import LateMarks, late_marks, read_revisable, write_marks
from mmindustry.store.rows import Row
from mmindustry.store.save import Page, Sheets, make_sheets, write_sheets
from mmindustry.store.state_rows import progress_row

_LOOK_AGAIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What the record must know of the line it serves."""

    partitions: int
    """Partition count of the input topics, 1 or more."""

    window_policy: str = ""
    """Name of the window policy whose state a claim gives back; empty = any."""

    default_bundle: str = ""
    """The bundle of assets that no assignment names."""

    def __post_init__(self) -> None:
        """Refuse a line without partitions."""
        if self.partitions < 1:
            raise ValueError(f"partitions must be at least 1, got {self.partitions}")


class SqlRecorder:
    """One worker's hands on the record. Not for several threads.

    Every method waits, as `patience` says, while the database is away, and ends with `Fenced`
    when it may wait no longer. On SQLite the caller holds `Database.lock("worker")`.
    """

    def __init__(
        self,
        database: Database,
        line: Line,
        policy: RecordPolicy,
        *,
        patience: Patience,
        clock: Clock,
    ) -> None:
        self._database = database
        self._line = line
        self._policy = policy
        self._persist = patience.persist
        self._clock = clock
        self._fence = Fence()
        self._surroundings = Surroundings(policy)
        self._library = Library(line.default_bundle)
        self._assets: set[str] = set()
        self._day: date | None = None
        self._look_at = clock.monotonic()

    def claim(self, partitions: Sequence[int]) -> list[Claim]:
        """Take the partitions over, epoch + 1; all earlier claims of this worker end."""
        self._fence.claimed({})
        self._assets.clear()
        claims, marks = self._persist(lambda: self._claim(partitions))
        self._fence.claimed(marks)
        return claims

    def _claim(self, partitions: Sequence[int]) -> tuple[list[Claim], Mapping[int, Mark]]:
        now = self._clock.now()
        self._look_ahead(now.date())
        with self._database.write() as connection:
            raised = {p: raise_epoch(connection, p, now) for p in sorted(set(partitions))}
            claims = read_claims(
                connection,
                [raised[partition] for partition in partitions],
                home=self._home,
                policy=self._line.window_policy,
            )
        marks = {p: Mark(row["epoch"], row["step"], row["era"]) for p, row in raised.items()}
        return claims, marks

    def unknown(self, untaken: Sequence[Untaken]) -> Fresh:
        """Sort what no open window took: late, entries, states, duplicates."""
        if not untaken:
            return Fresh()
        return self._persist(lambda: self._unknown(untaken))

    def _unknown(self, untaken: Sequence[Untaken]) -> Fresh:
        with self._database.read() as connection:
            return sort_untaken(connection, untaken)

    def contexts(self, windows: Sequence[Window], events: Sequence[Event]) -> list[Context]:
        """Return what surrounds each window, nothing from beyond its cut."""
        if not windows:
            return []
        return self._persist(lambda: self._contexts(windows, events))

    def _contexts(self, windows: Sequence[Window], events: Sequence[Event]) -> list[Context]:
        with self._database.read() as connection:
            papers = self._library.papers(connection, {window.key.asset for window in windows})
            return self._surroundings.contexts(connection, windows, events, papers)

    def save(self, step: Step) -> None:
        """Write the whole step in one transaction, or nothing.

        Raises:
            Fenced: Another worker has claimed one of its partitions.
        """
        values: dict[int, Row] = {p.partition: progress_row(p) for p in step.progress}
        sheets = make_sheets(step, self._page(), self._assets)
        self._write(values, sheets, LateMarks())
        self._assets.update(row["asset"] for row in sheets.assets)

    def save_revision(self, step: Step) -> None:
        """Insert the revisions under the same fence; progress keeps its values.

        Raises:
            Fenced: Another worker has claimed one of its partitions.
        """
        named = {progress.partition for progress in step.progress}
        named.update(window.partition for window in step.windows)
        named.update(letter.message.position.partition for letter in step.dead_letters)
        named.update(self._home(key.asset) for key, _ in step.unrevised)
        sheets = make_sheets(step, self._page(), self._assets)
        self._write({partition: {} for partition in named}, sheets, late_marks(step))

    def revisable(self, limit: int) -> list[Revisable]:
        """Return up to `limit` windows of the held partitions that wait for a revision."""
        return self._persist(lambda: self._revisable(limit))

    def _revisable(self, limit: int) -> list[Revisable]:
        with self._database.read() as connection:
            return read_revisable(connection, self._fence.partitions, limit)

    def recent(self, key: WindowKey, count: int, *, bundle: str) -> list[Prediction | Failed]:
        """Return the newest revisions' predictions of the windows before `key`, oldest first."""
        return self._persist(lambda: self._recent(key, count, bundle))

    def _recent(self, key: WindowKey, count: int, bundle: str) -> list[Prediction | Failed]:
        with self._database.read() as connection:
            return read_recent(connection, key, count, bundle=bundle)

    def pictures(self, key: WindowKey) -> dict[str, LastPicture]:
        """Return what each camera last showed in the windows before `key`."""
        return self._persist(lambda: self._pictures(key))

    def _pictures(self, key: WindowKey) -> dict[str, LastPicture]:
        with self._database.read() as connection:
            return read_pictures(connection, key)

    def _write(self, values: Mapping[int, Row], sheets: Sheets, marks: LateMarks) -> None:
        attempts = 0

        def attempt() -> None:
            nonlocal attempts
            attempts += 1
            self._look_ahead(self._clock.now().date())
            with self._database.write() as connection:
                if attempts > 1 and self._fence.is_through(connection, values):
                    return  # the earlier try was committed, only its answer was lost
                self._fence.pass_through(connection, values, self._clock.now())
                write_sheets(connection, sheets)
                write_marks(connection, marks)

        self._persist(attempt)
        self._fence.passed(values)

    def _look_ahead(self, today: date) -> None:
        """Once a day, see to it that the coming days have their partitions.

        Where somebody is busy reading a table, its turn comes a minute later: meanwhile the rows
        of a day without a partition stand in the default one.
        """
        if self._day == today or self._clock.monotonic() < self._look_at:
            return
        found = ensure_days(self._database, today, self._database.policy.days_ahead + 1)
        self._look_at = self._clock.monotonic() + _LOOK_AGAIN_SECONDS
        self._day = None if found.busy else today

    def _page(self) -> Page:
        return Page(
            now=self._clock.now(), era=self._fence.era, home=self._home, policy=self._policy
        )

    def _home(self, asset: str) -> int:
        return partition_of(asset.encode(), self._line.partitions)
