"""The fence of commit rule 5: a step is written by the last claimant only, and once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update

from mmindustry.errors import Fenced
from mmindustry.store.statements import upsert_one
from mmindustry.store.tables import partition_progress

_EMPTY: dict[str, Any] = {"topics": {}, "received": 0, "in_flight": 0, "dropped": {}}


_PASS = update(partition_progress).where(
    partition_progress.c.partition == bindparam("b_partition"),
    partition_progress.c.epoch == bindparam("b_epoch"),
    partition_progress.c.step == bindparam("b_step"),
)
"""Sets the columns it is given where nobody has claimed the partition since."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a worker knows of a partition it claimed: its epoch, the last step, the era."""

    epoch: int
    step: int
    era: int


def raise_epoch(connection: Connection, partition: int, now: datetime) -> Mapping[str, Any]:
    """Add one to the partition's epoch, making its row where there is none; return the row.

    From the commit on, every save of an earlier claimant is `Fenced`.
    """
    progress = partition_progress.c
    era = connection.scalar(select(func.coalesce(func.max(progress.era), 0)))
    first = {"partition": partition, "era": era, "epoch": 1, "step": 0, "updated_at": now}
    change = {"epoch": progress.epoch + 1, "updated_at": now}
    row: Mapping[str, Any] = upsert_one(connection, partition_progress, first | _EMPTY, change)
    return row


class Fence:
    """Remembers (epoch, step) of each claimed partition and lets a transaction pass, or not.

    `claimed` after a claim; in each transaction `pass_through` first; `passed` after its commit.
    """

    def __init__(self) -> None:
        self._marks: dict[int, Mark] = {}

    @property
    def partitions(self) -> tuple[int, ...]:
        """The partitions held, in order."""
        return tuple(sorted(self._marks))

    def claimed(self, marks: Mapping[int, Mark]) -> None:
        """Hold exactly these from now on."""
        self._marks = dict(marks)

    def era(self, partition: int) -> int:
        """Return the era of a held partition.

        Raises:
            Fenced: The partition is not held.
        """
        return self._mark(partition).era

    def pass_through(
        self, connection: Connection, values: Mapping[int, Mapping[str, Any]], now: datetime
    ) -> None:
        """Write `values` into each partition's progress and add one to its step.

        Raises:
            Fenced: Another worker has claimed one of them since; nothing may be committed.
        """
        for partition in sorted(values):
            mark = self._mark(partition)
            found = connection.execute(
                _PASS,
                {
                    "b_partition": partition,
                    "b_epoch": mark.epoch,
                    "b_step": mark.step,
                    "step": mark.step + 1,
                    "updated_at": now,
                    **values[partition],
                },
            )
            if found.rowcount != 1:
                raise Fenced(
                    f"partition {partition} is no longer ours (epoch {mark.epoch}, "
                    f"step {mark.step}): another worker has claimed it"
                )

    def is_through(self, connection: Connection, partitions: Iterable[int]) -> bool:
        """Return whether the record already holds the step that we are about to write.

        So it is when a commit worked and its answer was lost: in our epoch nobody else writes.
        """
        wanted = {p: (self._mark(p).epoch, self._mark(p).step + 1) for p in partitions}
        table = partition_progress.c
        rows = connection.execute(
            select(table.partition, table.epoch, table.step).where(table.partition.in_(wanted))
        )
        return {row.partition: (row.epoch, row.step) for row in rows} == wanted

    def passed(self, partitions: Iterable[int]) -> None:
        """Note that the transaction is committed."""
        for partition in partitions:
            mark = self._marks[partition]
            self._marks[partition] = Mark(mark.epoch, mark.step + 1, mark.era)

    def _mark(self, partition: int) -> Mark:
        try:
            return self._marks[partition]
        except KeyError:
            raise Fenced(f"partition {partition} is not claimed by this worker") from None
