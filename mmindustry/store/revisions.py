"""Late evidence that a revision may still take in, and the revisions' one transaction (rule 8)."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, select, tuple_, update

from mmindustry.domain import Evidence, Revisable, Step, WindowKey
from mmindustry.store import facts
from mmindustry.store.rows import Row
from mmindustry.store.tables import late, partition_progress, windows

DEAD = "dead_lettered"

Fields = Mapping[Any, Any]
_Slot = tuple[str, str, datetime]  # asset, policy, start


def read_revisable(
    connection: Connection, partitions: Collection[int], limit: int
) -> list[Revisable]:
    """Return up to `limit` windows whose late evidence is archived and unrevised, oldest first.

    A window that is not archived itself waits until it is.
    """
    missed = _missed(connection, partitions, limit)
    if not missed:
        return []
    known = _known_rows(connection, missed.keys())
    lengths = _lengths(connection, missed.keys())
    reached = _read_through(connection, partitions)
    found = []
    for slot, late_rows in missed.items():
        if known[slot]:
            found.append(_next_revision(slot, late_rows, known[slot]))
        elif slot[1] in lengths:  # else no window of that policy exists: its length is unknown
            cut = reached[late_rows[0]["partition"]]
            found.append(_first_revision(slot, late_rows, slot[2] + lengths[slot[1]], cut))
    return found


def _missed(
    connection: Connection, partitions: Collection[int], limit: int
) -> dict[_Slot, list[Fields]]:
    slot = (late.c.asset, late.c.policy, late.c.start)
    open_late = (late.c.revision.is_(None), late.c.unrevised.is_(None), late.c.shard.is_not(None))
    unarchived = (
        select(windows.c.start)
        .where(
            windows.c.start == late.c.start,
            windows.c.asset == late.c.asset,
            windows.c.policy == late.c.policy,
            windows.c.shard.is_(None),
        )
        .exists()
    )
    slots = connection.execute(
        select(*slot)
        .where(late.c.partition.in_(partitions), *open_late, ~unarchived)
        .distinct()
        .order_by(late.c.start, late.c.asset, late.c.policy)
        .limit(limit)
    ).all()
    wanted = [(row.asset, row.policy, row.start) for row in slots]
    found: dict[_Slot, list[Fields]] = {one: [] for one in wanted}
    if wanted:
        days = late.c.start.in_({start for _, _, start in wanted})
        query = select(late).where(days, tuple_(*slot).in_(wanted), *open_late)
        for row in connection.execute(query).mappings():
            found[row["asset"], row["policy"], row["start"]].append(row)
    return found


def _known_rows(connection: Connection, slots: Collection[_Slot]) -> dict[_Slot, list[Fields]]:
    """Return all rows of the windows at `slots`, by revision."""
    key = tuple_(windows.c.asset, windows.c.policy, windows.c.start)
    days = windows.c.start.in_({start for _, _, start in slots})
    query = select(windows).where(days, key.in_(list(slots))).order_by(windows.c.revision)
    found: dict[_Slot, list[Fields]] = defaultdict(list)
    for row in connection.execute(query).mappings():
        found[row["asset"], row["policy"], row["start"]].append(row)
    return found


def _lengths(connection: Connection, slots: Collection[_Slot]) -> dict[str, timedelta]:
    """Return policy -> window length, from any window of that policy."""
    lengths: dict[str, timedelta] = {}
    for policy in {policy for _, policy, _ in slots}:
        query = select(windows.c.start, windows.c.end).where(windows.c.policy == policy).limit(1)
        row = connection.execute(query).first()
        if row is not None:
            lengths[policy] = row.end - row.start
    return lengths


def _read_through(connection: Connection, partitions: Collection[int]) -> dict[int, dict[str, int]]:
    table = partition_progress.c
    query = select(table.partition, table.topics).where(table.partition.in_(partitions))
    return {
        row.partition: {topic: at["read_through"] for topic, at in row.topics.items()}
        for row in connection.execute(query)
    }


def _next_revision(slot: _Slot, late_rows: Sequence[Fields], known: Sequence[Fields]) -> Revisable:
    """Return the revision after the last of `known`, judged below the cut of the first."""
    news = tuple(facts.late_evidence(row) for row in late_rows)
    held = facts.evidence_of(known[-1]["evidence"])
    return Revisable(
        key=WindowKey(*slot, known[-1]["revision"] + 1),
        end=known[-1]["end"],
        partition=late_rows[0]["partition"],
        cut=known[0]["cut"],
        evidence=tuple(sorted({*held, *news}, key=lambda e: (e.time, e.source, e.id))),
        late=news,
        missing=tuple(known[0]["missing"]),
        evidence_lost=known[0]["evidence_lost"],
    )


def _first_revision(
    slot: _Slot, late_rows: Sequence[Fields], end: datetime, cut: Mapping[str, int]
) -> Revisable:
    """Return revision 1 of a window that never was, judged below the cut of now."""
    news = tuple(facts.late_evidence(row) for row in late_rows)
    return Revisable(
        key=WindowKey(*slot, 1),
        end=end,
        partition=late_rows[0]["partition"],
        cut=cut,
        evidence=tuple(sorted(news, key=lambda e: (e.time, e.source, e.id))),
        late=news,
    )


@dataclass(slots=True)
class LateMarks:
    """What becomes of late entries once a revision is written."""

    taken: list[Row] = field(default_factory=list)
    dead: list[Row] = field(default_factory=list)
    given_up: list[Row] = field(default_factory=list)


def late_marks(step: Step) -> LateMarks:
    """Return which late entries the revisions of `step` take in, refuse, or give up."""
    marks = LateMarks()
    for window in step.windows:
        marks.taken += [
            _slot_row(window.key, item) | {"b_revision": window.key.revision}
            for item in window.evidence
        ]
    for letter in step.dead_letters:
        topic, partition, offset = letter.message.position
        marks.dead.append({"b_topic": topic, "b_partition": partition, "b_offset": offset})
    for key, why in step.unrevised:
        marks.given_up.append(
            {"b_start": key.start, "b_asset": key.asset, "b_policy": key.policy, "b_why": why}
        )
    return marks


def _slot_row(key: WindowKey, item: Evidence) -> Row:
    return {
        "b_start": key.start,
        "b_asset": key.asset,
        "b_policy": key.policy,
        "b_source": item.source,
        "b_event_id": item.id,
        "b_time": item.time,
    }


def write_marks(connection: Connection, marks: LateMarks) -> None:
    """Write the marks; what an earlier revision took in stays with it."""
    pairs: Iterable[tuple[Any, list[Row]]] = (
        (_TAKE, marks.taken),
        (_BURY, marks.dead),
        (_GIVE_UP, marks.given_up),
    )
    for statement, rows in pairs:
        if rows:
            connection.execute(statement, rows)


_TAKE = (
    update(late)
    .where(
        late.c.start == bindparam("b_start"),
        late.c.asset == bindparam("b_asset"),
        late.c.policy == bindparam("b_policy"),
        late.c.source == bindparam("b_source"),
        late.c.event_id == bindparam("b_event_id"),
        late.c.time == bindparam("b_time"),
        late.c.revision.is_(None),
    )
    .values(revision=bindparam("b_revision"))
)

_BURY = (
    update(late)
    .where(
        late.c.partition == bindparam("b_partition"),
        late.c.topic == bindparam("b_topic"),
        late.c.offset == bindparam("b_offset"),
        late.c.revision.is_(None),
        late.c.unrevised.is_(None),
    )
    .values(dead=True, unrevised=DEAD)
)

_GIVE_UP = (
    update(late)
    .where(
        late.c.start == bindparam("b_start"),
        late.c.asset == bindparam("b_asset"),
        late.c.policy == bindparam("b_policy"),
        late.c.revision.is_(None),
        late.c.unrevised.is_(None),
        late.c.shard.is_not(None),  # what is not archived yet was not asked for
    )
    .values(unrevised=bindparam("b_why"))
)
