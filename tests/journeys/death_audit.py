"""What was sent against what is on record, id by id."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Table, select

from mmindustry.clock import SystemClock
from mmindustry.domain import Evidence, Failed, Modality, Position
from mmindustry.store import tables
from mmindustry.store.archive import open_archive
from mmindustry.store.database import Database
from mmindustry.store.policy import ArchivePolicy
from mmindustry.stream.deadletter import read_letters
from mmindustry.stream.kafka.admin import KafkaAdmin
from mmindustry.stream.policy import StreamPolicy
from tests.journeys.death_crew import HOP_SECONDS, LENGTH_SECONDS
from tests.journeys.death_load import CRACKED, Sent

Identity = tuple[str, str, datetime]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MEDIA = {"frames", "audio"}


@dataclass(slots=True)
class Audit:
    """The comparison: what is missing, what is there too often, and what it was counted from."""

    lost: list[str]
    doubled: list[str]
    wrong: list[str]
    counts: dict[str, int]


class Auditor:
    """Holds the record of one round beside its sender's own list."""

    def __init__(self, database: Database, sent: Sequence[Sent]) -> None:
        self._good: dict[Identity, Sent] = {}
        self._bad: dict[tuple[str, int, int], Sent] = {}
        self._copies = 0
        for item in sorted(sent, key=lambda one: one.offset):
            if item.refusal:
                self._bad[item.position] = item
            elif self._good.setdefault(item.identity, item) is not item:
                self._copies += 1
        self._database = database
        with database.read(seconds=60) as connection:
            self._rows = {
                name: list(connection.execute(select(getattr(tables, name))).mappings())
                for name in (
                    "windows", "late", "entries", "states", "dead_letters", "predictions",
                    "partition_progress", "outbox",
                )
            }  # fmt: skip
        self.lost: list[str] = []
        self.doubled: list[str] = []
        self.wrong: list[str] = []

    def audit(self, archive: Path, stream: StreamPolicy) -> Audit:
        """Compare everything."""
        self._media()
        self._texts("logs", self._rows["entries"])
        self._texts("states", self._rows["states"])
        self._refused(stream)
        self._dropped()
        self._judged()
        self._revised()
        read = self._evidence(archive)
        counts = {
            "sent": len(self._good) + len(self._bad) + self._copies,
            "windows": len(self._first()),
            "revisions": len(self._rows["windows"]) - len(self._first()),
            "late": len(self._rows["late"]),
            "dead letters": len(self._rows["dead_letters"]),
            "duplicates": self._copies,
            "evidence read": read,
        }
        return Audit(self.lost, self.doubled, self.wrong, counts)

    def _first(self) -> list[Any]:
        return [row for row in self._rows["windows"] if row["revision"] == 0]

    def _media(self) -> None:
        """Each frame and chunk: once in every window that covers it, or late for it; no more."""
        named: Counter[tuple[Identity, datetime]] = Counter()
        for row in self._first():
            for item in row["evidence"]:
                named[_identity(item), row["start"]] += 1
                self._placed(item, row)
        for row in self._rows["late"]:
            named[(row["source"], row["event_id"], row["time"]), row["start"]] += 1
        media = [item for item in self._good.values() if item.kind in _MEDIA]
        wanted = [(item.identity, start) for item in media for start in covering(item.time)]
        for identity, start in wanted:
            self._count(f"{identity} in {start:%X}", named.pop((identity, start), 0))
        cracked = {item.identity for item in self._bad.values() if item.refusal == CRACKED}
        for identity, start in named:
            if identity not in cracked:
                self.wrong.append(f"{identity} stands in {start:%X}, which it does not cover")

    def _placed(self, item: Any, row: Any) -> None:
        known = self._good.get(_identity(item))
        if known is not None and _position(item) != known.position:
            self.wrong.append(f"{item} does not name its first copy, {known.position}")
        if item["offset"] >= row["cut"][item["topic"]]:
            self.wrong.append(f"{item} lies beyond the cut of its window {row['start']:%X}")

    def _texts(self, kind: str, rows: Sequence[Any]) -> None:
        found: Counter[Identity] = Counter()
        for row in rows:
            identity = (row["source"], row["event_id"], row["time"])
            found[identity] += 1
            known = self._good.get(identity)
            if known is None or known.offset != row["offset"]:
                self.wrong.append(f"{kind} {identity} at {row['offset']} was never sent so")
        for identity, item in self._good.items():
            if item.kind == kind:
                self._count(f"{kind} {identity}", found[identity])

    def _refused(self, stream: StreamPolicy) -> None:
        """Each bad message: one row with its reason, its letter in the topic; no good one."""
        late = {(row["topic"], row["partition"], row["offset"]) for row in self._rows["late"]}
        held = {_position(item) for row in self._first() for item in row["evidence"]}
        rows = Counter(
            (row["topic"], row["partition"], row["offset"]) for row in self._rows["dead_letters"]
        )
        reasons = {
            (row["topic"], row["partition"], row["offset"]): (
                CRACKED if row["stage"] == "build" else row["reason"]
            )
            for row in self._rows["dead_letters"]
        }
        with KafkaAdmin(stream.kafka) as admin:
            letters = {letter.home for letter in read_letters(admin, stream.topics.inputs)}
        for position, item in self._bad.items():
            found = rows.pop(position, 0)
            if item.refusal == CRACKED and not found and position in late | held:
                continue  # no window has looked into it: more pictures than a recipe takes
            self._count(f"the letter of {position} ({item.refusal})", found)
            if position not in letters:
                self.lost.append(f"the letter of {position} is not in its topic")
            told = reasons.get(position)
            if told is not None and told != item.refusal:
                self.wrong.append(f"{position}: {told}, not {item.refusal}")
        self.wrong += [f"{position} is refused and was good" for position in rows]

    def _dropped(self) -> None:
        dropped: Counter[str] = Counter()
        for row in self._rows["partition_progress"]:
            dropped.update(row["dropped"])
        if dropped != Counter({"duplicate": self._copies}):
            self.wrong.append(f"dropped {dict(dropped)}, {self._copies} were sent twice")

    def _judged(self) -> None:
        """Each window: one prediction; each prediction that worked: one row that leaves."""
        judged = Counter(row["window_id"] for row in self._rows["predictions"])
        for row in self._rows["windows"]:
            self._count(f"the prediction of {row['id']}", judged.pop(row["id"], 0))
        self.wrong += [f"{window} was judged and is no window" for window in judged]
        leaving = Counter(
            row["body"]["window_id"]
            for row in self._rows["outbox"]
            if row["channel"] == "mm.predictions"
        )
        for row in self._rows["predictions"]:
            if row["reason"] is None:
                found = leaving.pop(row["window_id"], 0)
                self._count(f"the news of {row['window_id']}", found)
        self.wrong += [f"{window} left and was not judged" for window in leaving]

    def _revised(self) -> None:
        """Each late item: in the revision that took it in, once, or given up by name."""
        held = {
            (row["asset"], row["start"], row["revision"]): Counter(map(_identity, row["evidence"]))
            for row in self._rows["windows"]
        }
        for row in self._rows["late"]:
            identity = (row["source"], row["event_id"], row["time"])
            place = (row["asset"], row["start"], row["revision"])
            if row["revision"] is not None:
                self._count(f"late {identity} in {place}", held.get(place, Counter())[identity])
            elif identity in self._good:
                self.lost.append(f"late {identity} was given up: {row['unrevised']}")

    def _evidence(self, archive: Path) -> int:
        """Read the bytes of every item of every row from its shard; return how many."""
        items = [item for row in self._first() for item in row["evidence"] if not item.get("dead")]
        wanted = {_identity(item): _evidence_of(item) for item in items}
        lost = [row["id"] for row in self._rows["windows"] if row["evidence_lost"]]
        self.lost += [f"the evidence of {window}" for window in lost]
        sent = {item.identity: item.value for item in (*self._bad.values(), *self._good.values())}
        reader = open_archive(
            ArchivePolicy(url=str(archive)), clock=SystemClock(), named=lambda ids: ids
        )
        found = reader.read(list(wanted.values()))
        for identity, media in zip(wanted, found, strict=True):
            if isinstance(media, Failed):
                self.lost.append(f"the bytes of {identity}: {media.detail}")
            elif media.payload != sent[identity]:
                self.wrong.append(f"the bytes of {identity} are others than were sent")
        return len(found)

    def _count(self, what: str, found: int) -> None:
        if found == 0:
            self.lost.append(what)
        elif found > 1:
            self.doubled.append(f"{what}: {found} times")


def covering(time: datetime) -> Iterator[datetime]:
    """Yield the beginnings of the windows that hold an instant."""
    start = int((time - _EPOCH).total_seconds()) // HOP_SECONDS * HOP_SECONDS
    while _EPOCH + timedelta(seconds=start + LENGTH_SECONDS) > time:
        yield _EPOCH + timedelta(seconds=start)
        start -= HOP_SECONDS


def all_settled(database: Database, sent: Sequence[Sent]) -> bool:
    """Return whether all that was sent is read, closed, sealed and revised."""
    with database.read() as connection:

        def rows(table: Table, *columns: str) -> list[Any]:
            return list(connection.execute(select(*(table.c[name] for name in columns))))

        progress = rows(tables.partition_progress, "partition", "topics", "in_flight")
        unsealed = [row for row in rows(tables.windows, "shard") if row.shard is None]
        late = rows(tables.late, "shard", "revision", "unrevised")
    topics = {(topic, row.partition): at for row in progress for topic, at in row.topics.items()}
    read = {place: at["read_through"] for place, at in topics.items()}
    needed = {place: at["needed_from"] for place, at in topics.items()}  # by open windows too
    waiting = [
        row for row in late
        if row.shard is None or (row.revision is None and row.unrevised is None)
    ]  # fmt: skip
    return (
        all(read.get((item.topic, item.partition), 0) > item.offset for item in sent)
        and not any(row.in_flight for row in progress)
        and needed == read
        and not unsealed
        and not waiting
    )


def _identity(item: Any) -> Identity:
    return item["source"], item["id"], datetime.fromisoformat(item["time"])


def _position(item: Any) -> Position:
    return Position(item["topic"], item["partition"], item["offset"])


def _evidence_of(item: Any) -> Evidence:
    return Evidence(*_identity(item), Modality(item["modality"]), _position(item))
