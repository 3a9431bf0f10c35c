"""The Recorder port over a `FakeDatabase`."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from mmindustry.domain import (
    AlarmState,
    Claim,
    Context,
    Event,
    Evidence,
    Failed,
    Fresh,
    Identity,
    LastPicture,
    LogEntry,
    Modality,
    Prediction,
    Revisable,
    ShardRow,
    Step,
    Unsealed,
    Untaken,
    Window,
    WindowKey,
)
from mmindustry.testing.database import FakeDatabase, Fence

LOOK_BACK = timedelta(days=7)
ENTRIES = 20
TEXT_BYTES = 8 * 1024


class FakeRecorder:
    """One worker's hands on the record; it knows its own epoch and step of each partition."""

    def __init__(
        self, database: FakeDatabase, *, bundle: str = "fake", length: timedelta | None = None
    ) -> None:
        self.database = database
        self._bundle = bundle
        self._length = length or timedelta(seconds=10)
        self._fences: dict[int, Fence] = {}

    def claim(self, partitions: Sequence[int]) -> list[Claim]:
        """Take the partitions over, epoch + 1."""
        self._fences.clear()
        return [self._claim(partition) for partition in partitions]

    def _claim(self, partition: int) -> Claim:
        fence = self.database.fences.setdefault(partition, Fence())
        fence.epoch += 1
        self._fences[partition] = Fence(fence.epoch, fence.step)
        assets = [a for a in self.database.assets.values() if a.partition == partition]
        return Claim(
            partition=partition,
            epoch=fence.epoch,
            progress=self.database.progress.get(partition),
            assets=tuple(assets),
            alarms=tuple(
                AlarmState(asset, memory)
                for asset, (home, memory) in self.database.alarm_memory.items()
                if home == partition
            ),
            unsealed=tuple(self._unsealed(partition)),
            sensors=tuple(self.database.sensors),
            registered=tuple(sorted(self.database.registered)),
        )

    def _unsealed(self, partition: int) -> Iterable[Unsealed]:
        for row in self.database.windows.values():
            live = row.partition == partition and row.key.revision == 0
            wanted = live and row.evidence
            if wanted and row.key not in self.database.sealed:
                shard_row = ShardRow(key=row.key, late=False, evidence=row.evidence)
                yield Unsealed(row=shard_row, partition=partition, end=row.end)
        for position, (late, evidence) in self.database.late.items():
            if position.partition == partition and position not in self.database.sealed:
                key = WindowKey(late.event.asset, late.policy, late.late_for[0])
                shard_row = ShardRow(key=key, late=True, evidence=(evidence,))
                yield Unsealed(row=shard_row, partition=partition, end=late.event.time)

    def unknown(self, untaken: Sequence[Untaken]) -> Fresh:
        """Sort by kind; what is known or came twice is a duplicate."""
        met: set[Identity] = set()
        late, entries, states, duplicates = [], [], [], []
        for one in untaken:
            event = one.event
            if event.identity in met or self._knows(event):
                duplicates.append(event)
                continue
            met.add(event.identity)
            if event.modality is Modality.TEXT:
                entries.append(event)
            elif event.modality is Modality.STATE:
                states.append(event)
            else:
                late.append(one)
        return Fresh(tuple(late), tuple(entries), tuple(states), tuple(duplicates))

    def _knows(self, event: Event) -> bool:
        database = self.database
        if event.identity in database.entries or event.identity in database.states:
            return True
        asset = event.asset
        rows = [row for row in database.windows.values() if row.key.asset == asset]
        named = [e for row in rows for e in (*row.evidence, *row.struck)]
        named += [e for late, e in database.late.values() if late.event.asset == asset]
        return any((asset, e.source, e.id, e.time) == event.identity for e in named)

    def contexts(self, windows: Sequence[Window], events: Sequence[Event]) -> list[Context]:
        """Return what surrounds each window, nothing from beyond its cut."""
        return [self._context(window, events) for window in windows]

    def _context(self, window: Window, events: Sequence[Event]) -> Context:
        def below(event: Event) -> bool:
            position = event.position
            return event.asset == window.key.asset and position.offset < window.cut.get(
                position.topic, 0
            )

        known = [*self.database.entries.values(), *self.database.states.values(), *events]
        mine = sorted((e for e in known if below(e)), key=lambda e: (e.end, e.source, e.id))
        entries = [
            e
            for e in mine
            if e.modality is Modality.TEXT and window.end - LOOK_BACK <= e.end <= window.end
        ]
        states = [e for e in mine if e.modality is Modality.STATE and e.time < window.end]
        inside = [e for e in states if e.time >= window.key.start]
        before = [e for e in states if e.time < window.key.start]
        return Context(
            entries=_fitting(entries[-ENTRIES:]),
            states=tuple(before[-1:] + inside),
            card=self.database.cards.get(window.key.asset),
            registered=window.key.asset in self.database.registered,
            bundle=self._bundle,
        )

    def save(self, step: Step) -> None:
        """Write all of the step, or nothing."""
        partitions = [progress.partition for progress in step.progress]
        self.database.check(self._fences, partitions)
        for partition in partitions:
            self.database.fences[partition].step += 1
            self._fences[partition].step += 1
        self.database.apply(step)

    def revisable(self, limit: int) -> list[Revisable]:
        """Return the windows of held partitions whose late list no revision holds."""
        wanted: dict[WindowKey, list[Evidence]] = {}
        for position, (late, evidence) in self.database.late.items():
            if position.partition not in self._fences or position not in self.database.sealed:
                continue
            for start in late.late_for:
                if (position, start) in self.database.given_up:
                    continue
                key = WindowKey(late.event.asset, late.policy, start)
                wanted.setdefault(key, []).append(evidence)
        found = (self._revisable(key, late) for key, late in sorted(wanted.items()))
        return [one for one in found if one is not None][:limit]

    def _revisable(self, key: WindowKey, late: list[Evidence]) -> Revisable | None:
        rows = [r for r in self.database.windows.values() if r.key[:3] == key[:3]]
        newest = max(rows, key=lambda r: r.key.revision, default=None)
        held = set(newest.evidence) if newest is not None else set()
        if set(late) <= held:
            return None
        first = min(rows, key=lambda r: r.key.revision, default=None)
        partition = late[0].position.partition
        through = self.database.progress[partition].topics
        cut = {t: p.read_through for t, p in through.items()}
        return Revisable(
            key=key._replace(revision=1 if newest is None else newest.key.revision + 1),
            end=key.start + self._length,
            partition=partition,
            cut=cut if first is None else dict(first.cut),
            evidence=tuple(sorted(held | set(late), key=lambda e: (e.time, e.source, e.id))),
            late=tuple(late),
            missing=None if first is None else first.missing,
            evidence_lost=None if first is None else first.evidence_lost,
        )

    def pictures(self, key: WindowKey) -> dict[str, LastPicture]:
        """Return what each camera last showed in the windows before."""
        newest: dict[str, LastPicture] = {}
        for row in self.database.windows.values():
            if row.key[:2] == key[:2] and row.key.start < key.start:
                for source, picture in row.pictures:
                    newest[source] = max(picture, newest.get(source, picture))
        return newest

    def _give_up(self, key: WindowKey) -> None:
        """Note that what is archived of a window's late list, and in no revision, never will be."""
        database = self.database
        rows = [row for row in database.windows.values() if row.key[:3] == key[:3]]
        taken = {evidence.position for row in rows for evidence in row.evidence}
        for position, (late, _) in database.late.items():
            mine = (late.event.asset, late.policy) == key[:2] and key.start in late.late_for
            if mine and position in database.sealed and position not in taken:
                database.given_up.add((position, key.start))

    def recent(self, key: WindowKey, count: int, *, bundle: str) -> list[Prediction | Failed]:
        """Return the newest revisions' predictions of the windows before `key`, oldest first."""
        newest: dict[datetime, Prediction | Failed] = {}
        for (known, judge), one in sorted(self.database.predictions.items()):
            same = (known.asset, known.policy) == (key.asset, key.policy)
            if same and known.start < key.start and judge == bundle:
                newest[known.start] = one
        ordered = [newest[start] for start in sorted(newest)]
        return ordered[len(ordered) - min(count, len(ordered)) :]

    def save_revision(self, step: Step) -> None:
        """Insert revisions under the same fence; `step.progress` names the partitions only."""
        self.database.check(self._fences, [progress.partition for progress in step.progress])
        for progress in step.progress:
            self.database.fences[progress.partition].step += 1
            self._fences[progress.partition].step += 1
        self.database.apply(
            Step(
                progress=(),
                windows=step.windows,
                predictions=step.predictions,
                alarms=step.alarms,
                alarm_states=step.alarm_states,
            )
        )
        for key, _ in step.unrevised:
            self._give_up(key)


def _fitting(entries: Sequence[Event]) -> tuple[Event, ...]:
    """Return the newest entries whose texts fit, oldest first; the newest is always in."""
    kept: list[Event] = []
    room = TEXT_BYTES
    for entry in reversed(entries):
        room -= len(entry.content.text.encode()) if isinstance(entry.content, LogEntry) else 0
        if room < 0 and kept:
            break
        kept.append(entry)
    return tuple(reversed(kept))
