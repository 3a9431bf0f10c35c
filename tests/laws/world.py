"""A small plant, log, record and crashing workers, driven by scripts that Hypothesis draws."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from mmindustry.alerting.policy import AlertingPolicy
from mmindustry.alerting.rules import Rules
from mmindustry.domain import (
    Context,
    DeadLetter,
    Event,
    Evidence,
    Failed,
    Features,
    Fresh,
    Identity,
    Media,
    Message,
    Modality,
    Position,
    Sensor,
    Step,
    Untaken,
    Window,
)
from mmindustry.errors import Fenced
from mmindustry.pipeline import Outside, Pipeline, Verbs
from mmindustry.revision import Reviser, RevisionVerbs
from mmindustry.testing import (
    BEGINNING,
    FakeArchive,
    FakeDatabase,
    FakeDeadLetters,
    FakeGroup,
    FakeLog,
    FakePredictor,
    FakeRecorder,
    FakeSource,
    FakeStorage,
    HandClock,
    make_event,
)
from mmindustry.testing.make import TOPICS
from mmindustry.windowing.assembler import Assembler
from mmindustry.windowing.assign import covering_starts
from mmindustry.windowing.policy import WindowPolicy
from tests.laws.script import Act, Emit, Known

ASSETS = ("n/h/l/pump-1", "n/h/l/pump-2", "n/h/l/fan-1")
PARTITIONS = {"n/h/l/pump-1": 0, "n/h/l/pump-2": 0, "n/h/l/fan-1": 1}
KINDS = {
    "cam": Modality.IMAGE,
    "cam-2": Modality.IMAGE,
    "mic": Modality.AUDIO,
    "mic-2": Modality.AUDIO,
    "note": Modality.TEXT,
    "state": Modality.STATE,
}


_CRASHES = {
    "crash_before": "before",
    "crash_archived": "after_archive",
    "crash_saved": "after_save",
}
_SHARES: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "assign_a": ((0, 1), ()),
    "assign_b": ((), (0, 1)),
    "assign_split": ((0,), (1,)),
}


ALERTING = AlertingPolicy(
    k=2, n=3, on_probability=0.5, off_probability=0.4, off_windows=2, low_quality=0.0
)


class Crash(BaseException):
    """kill -9: nothing of the worker's memory survives."""


def _score(features: Features) -> float:
    """Return a number in 0..1 that depends on the window alone."""
    digest = hashlib.blake2b(features.window.id.encode(), digest_size=2).digest()
    return int.from_bytes(digest, "big") / 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """What a worker is made of; a mutant swaps one part."""

    database: Callable[[], FakeDatabase] = FakeDatabase
    source: type[FakeSource] = FakeSource
    recorder: type[FakeRecorder] = FakeRecorder
    archive: type[FakeArchive] = FakeArchive
    rules: type[Rules] = Rules
    pipeline: type[Pipeline] = Pipeline
    score: Callable[[Features], float] = _score


@dataclass(slots=True)
class Worker:
    """One process: gone as a whole when it crashes."""

    name: str
    pipeline: Pipeline
    source: FakeSource
    archive: FakeArchive
    assembler: Assembler
    crash_at: str = ""
    pause_at: str = ""
    fail_save: bool = False
    busy: bool = False


@dataclass(slots=True)
class World:
    """The durable world and the workers alive in it; checks laws after every commit."""

    policy: WindowPolicy
    rig: Rig = field(default_factory=Rig)
    clock: HandClock = field(default_factory=HandClock)
    group: FakeGroup = field(default_factory=FakeGroup)
    letters: FakeDeadLetters = field(default_factory=FakeDeadLetters)
    storage: FakeStorage = field(default_factory=FakeStorage)
    most: int = 6
    known: Sequence[Known] = ()
    workers: dict[str, Worker] = field(default_factory=dict)
    sent: dict[Position, Event | None] = field(default_factory=dict)
    torn: set[Position] = field(default_factory=set)
    first: dict[Identity, Position] = field(default_factory=dict)
    rows: dict[object, object] = field(default_factory=dict)
    marks: dict[str, tuple[datetime | None, datetime | None]] = field(default_factory=dict)
    commits: int = 0
    log: FakeLog = field(init=False)
    database: FakeDatabase = field(init=False)

    def __post_init__(self) -> None:
        self.log = FakeLog(tuple(TOPICS.values()), 2, self.clock)
        self.database = self.rig.database()
        self.database.sensors = [_sensor(row) for row in self.known]
        self.database.registered = set(ASSETS)  # each may alarm, whatever is known of its sensors
        self.group.assign("a", (0, 1))
        for name in ("a", "b"):
            self.start(name)

    # -- the plant -------------------------------------------------------------------------

    def emit(self, emit: Emit) -> None:
        asset = ASSETS[emit.asset]
        modality = KINDS[emit.source]
        partition = PARTITIONS[asset]
        topic = TOPICS[modality]
        offset = self.log.end(topic, partition)
        at = (self.clock.now() - BEGINNING).total_seconds() + emit.jitter
        event = make_event(
            modality,
            at,
            asset=asset,
            source=f"{asset}/{emit.source}",
            id=f"{emit.source}-{offset}",
            payload=b"x" * emit.size,
            seconds=0.5,
        )
        if emit.fault == "twin":
            earlier = [e for e in self.sent.values() if e is not None and e.asset == asset]
            same = [e for e in earlier if e.source == event.source]
            event = same[-1 - emit.size % len(same)] if same else event
        if emit.fault == "echo":
            alike = [e for e in self.sent.values() if e is not None and e.asset != asset]
            alike = [e for e in alike if e.modality is modality]
            event = replace(alike[-1 - emit.size % len(alike)], asset=asset) if alike else event
        if emit.fault == "bad":
            self.sent[self.log.append(topic, partition, (asset.encode(), b"", ()))] = None
            return
        position = self.send(event)
        if emit.fault == "torn" and modality in (Modality.IMAGE, Modality.AUDIO):
            self.torn.add(position)

    def send(self, event: Event) -> Position:
        """Append an event, new or known, to its topic; return where it stands now."""
        topic, partition = TOPICS[event.modality], PARTITIONS[event.asset]
        position = self.log.append(topic, partition, (event.asset.encode(), b"", ()))
        self.sent[position] = replace(event, position=position)
        self.first.setdefault(event.identity, position)
        return position

    # -- the workers -----------------------------------------------------------------------

    def start(self, name: str) -> Worker:
        """Start a process under a member name; the group gives it its assignment anew."""
        self.group._noted.pop(name, None)  # noqa: SLF001 - a new process has noted nothing
        source = self.rig.source(self.log, self.group, name, most=self.most)
        recorder = self.rig.recorder(
            self.database, length=timedelta(seconds=self.policy.length_seconds)
        )
        archive = self.rig.archive(
            self.storage,
            lambda shard: shard in self.database.shards,
            limit_bytes=self.policy.budget_bytes // 2,
        )
        assembler = Assembler(self.policy)
        outside = Outside(
            source=source,
            recorder=_Watched(recorder, self, name),
            archive=archive,
            predictor=FakePredictor(self.rig.score),
            dead_letters=self.letters,
        )
        rules = self.rig.rules(ALERTING)
        revision = RevisionVerbs(
            restore=self._restore,
            build=lambda w, c: self._build(name, w, c),
            judge=rules,
            silent=assembler.silent,
            look_back=ALERTING.n,
        )
        pipeline = self.rig.pipeline(
            outside,
            Verbs(
                decode=self._decode,
                assembler=assembler,
                build=lambda w, c: self._build(name, w, c),
                rules=rules,
                revise=Reviser(outside, revision).revise,
                failpoint=lambda point: self._reached(name, point),
            ),
        )
        self.workers[name] = Worker(name, pipeline, source, archive, assembler)
        return self.workers[name]

    def _restore(self, asset: str, evidence: Evidence, media: Media) -> Event:
        del asset, media
        event = self.sent[evidence.position]
        if event is None:
            raise KeyError(evidence.position)
        message = self.log.records(*evidence.position[:2])[evidence.position.offset]
        return replace(event, seen=True, message=message)

    def _decode(self, messages: Sequence[Message]) -> tuple[list[Event], list[DeadLetter]]:
        events, letters = [], []
        for message in messages:
            event = self.sent[message.position]
            if event is not None:
                events.append(
                    replace(
                        event,
                        append_time=message.append_time,
                        seen=message.seen,
                        message=message,
                    )
                )
            elif not message.seen:
                letters.append(DeadLetter(message, "bad", "decode", None, "drawn bad"))
        return events, letters

    def _build(
        self, name: str, windows: Sequence[Window], contexts: Sequence[Context]
    ) -> tuple[list[Features | Failed], list[DeadLetter]]:
        self._reached(name, "before")
        features: list[Features | Failed] = []
        letters = []
        for window, context in zip(windows, contexts, strict=True):
            letters += [
                DeadLetter(item.message, "torn", "build", item.modality, "drawn torn")
                for item in window.items
                if item.position in self.torn and item.message is not None
            ]
            features.append(
                Features(
                    window=window.key,
                    end=window.end,
                    bundle=context.bundle,
                    arrays={},
                    present={"image": bool(window.items)},
                    quality={},
                    findings=(
                        *(("camera_frozen", source) for source in window.frozen),
                        *(("source_missing", source) for source in window.missing),
                    ),
                    registered=context.registered,
                )
            )
        return features, letters

    def _reached(self, name: str, point: str) -> None:
        worker = self.workers[name]
        if worker.crash_at == point:
            worker.crash_at = ""
            raise Crash(point)
        if worker.pause_at == point:
            worker.pause_at = ""
            other = "b" if name == "a" else "a"
            self.group.assign(name, ())
            self.group.assign(other, (0, 1))
            self.turn(other)
            self.turn(other)

    def turn(self, name: str) -> None:
        """One turn of the loop; a crash is followed by a new start."""
        worker = self.workers[name]
        if worker.busy:  # a paused process does nothing, whatever the group gives it
            return
        worker.busy = True
        try:
            worker.pipeline.turn()
        except Crash:
            self.start(name)
            return
        finally:
            worker.busy = False
        budget = self.policy.budget_bytes
        poll = self.most * 2 * 200
        assert worker.assembler.held_bytes <= budget + poll, "law 13: held beyond the budget"

    def act(self, act: Act) -> None:
        worker = self.workers[act.worker]
        if act.verb in _CRASHES:
            worker.crash_at = _CRASHES[act.verb]
        elif act.verb in _SHARES:
            for name, share in zip(("a", "b"), _SHARES[act.verb], strict=True):
                self.group.assign(name, share)
        else:
            {
                "crank": lambda: self.clock.crank(act.value),
                "turn": lambda: self.turn(act.worker),
                "zombie": lambda: setattr(worker, "pause_at", "after_archive"),
                "fail_save": lambda: setattr(worker, "fail_save", True),
                "flush": worker.archive.flush,
            }[act.verb]()

    def run(self, script: Sequence[Emit | Act]) -> None:
        """Play a script, then let one healthy worker finish everything."""
        for line in script:
            if isinstance(line, Emit):
                self.emit(line)
                self.clock.crank(0.4)
            else:
                self.act(line)
        self.finish()

    def finish(self) -> None:
        """Start worker a anew, give it everything, and let it read and close all there is."""
        self.group.assign("b", ())
        self.group.assign("a", (0, 1))
        self.start("b")
        self.start("a")
        self.rest(30)

    def rest(self, seconds: float) -> None:
        """Let worker a read all there is, pass the time, and let it close all there is."""
        worker = self.workers["a"]
        for _ in range(12 + len(self.sent) // self.most):
            worker.pipeline.turn()
        self.clock.crank(seconds)
        for _ in range(4 + len(self.sent)):
            worker.archive.flush()
            worker.pipeline.turn()

    # -- what is checked after every commit ------------------------------------------------

    def committed(self) -> None:
        """Check the laws that hold in every committed transaction: 1, 2, 5 and 6."""
        self.commits += 1
        for asset, state in self.database.assets.items():
            before = self.marks.get(asset, (None, None))
            for then, now in zip(before, (state.watermark, state.frontier), strict=True):
                assert then is None or (now is not None and now >= then), "law 1: time went back"
            self.marks[asset] = (state.watermark, state.frontier)
        for key, row in self.database.windows.items():
            known = self.rows.setdefault(key, replace(row, evidence_lost=None))
            assert known == replace(row, evidence_lost=None), "law 2: a committed row changed"
        for partition in self.database.progress:
            self._balanced(partition)
            self._needed(partition)

    def _balanced(self, partition: int) -> None:
        progress = self.database.progress[partition]
        offsets = sum(t.read_through - t.first - t.skipped for t in progress.topics.values())
        dead = {p for p in self.database.dead_letters if p.partition == partition}
        stored = self.database.stored(partition)
        dropped = sum(progress.dropped.values())
        total = len(stored) + len(dead) + dropped + progress.in_flight
        assert progress.received == offsets, "law 5: received differs from the offsets"
        assert offsets == total, f"law 5: {offsets} received, {total} accounted for"

    def _needed(self, partition: int) -> None:
        progress = self.database.progress[partition]
        for position, event in self.sent.items():
            topic = progress.topics.get(position.topic)
            if position.partition != partition or topic is None or event is None:
                continue
            if position.offset < topic.needed_from:
                assert self.durable(event), f"law 6: {position} is not durable"

    def durable(self, event: Event) -> bool:
        """Return whether an event's fruit is durable."""
        database, position = self.database, event.position
        if self.first[event.identity] != position or position in database.dead_letters:
            return True
        if event.modality in (Modality.TEXT, Modality.STATE):
            return event.identity in database.entries or event.identity in database.states
        late = position in database.late
        if late and not self._archived(database.sealed.get(position), position):
            return False
        return all(self._row_durable(event, start, late=late) for start in self.starts(event))

    def _row_durable(self, event: Event, start: datetime, *, late: bool) -> bool:
        key = (event.asset, self.policy.name, start, 0)
        row = self.database.windows.get(key)  # type: ignore[call-overload]
        if row is None or event.position not in {e.position for e in row.evidence}:
            state = self.database.assets.get(event.asset)
            length = timedelta(seconds=self.policy.length_seconds)
            closed = state is not None and state.frontier is not None
            return late and closed and state.frontier >= start + length  # type: ignore[union-attr, operator]
        return self._archived(self.database.sealed.get(row.key), event.position)

    def _archived(self, shard: str | None, position: Position) -> bool:
        return shard is not None and self.storage.holds(shard, position)

    def starts(self, event: Event) -> list[datetime]:
        """Return the starts of the windows that cover an event."""
        length, hop = self.policy.length_seconds, self.policy.hop_seconds
        return covering_starts(event.time, timedelta(seconds=length), timedelta(seconds=hop))


class _Watched:
    """The recorder, with the laws checked after each save and a failure before it on demand."""

    def __init__(self, recorder: FakeRecorder, world: World, name: str) -> None:
        self._recorder = recorder
        self._world = world
        self._name = name
        self.claim = recorder.claim
        self.contexts = recorder.contexts
        self.revisable = recorder.revisable
        self.recent = recorder.recent
        self.pictures = recorder.pictures

    def unknown(self, untaken: Sequence[Untaken]) -> Fresh:
        return self._recorder.unknown(untaken)

    def save(self, step: Step) -> None:
        worker = self._world.workers[self._name]
        if worker.fail_save:
            worker.fail_save = False
            raise Fenced("the database was away and a rebalance ended the waiting")
        self._recorder.save(step)
        self._world.committed()

    def save_revision(self, step: Step) -> None:
        self._recorder.save_revision(step)
        self._world.committed()


def _sensor(row: Known) -> Sensor:
    asset, times = ASSETS[row.asset], (row.begin, row.end)
    begin, end = (None if t is None else BEGINNING + timedelta(seconds=t) for t in times)
    return Sensor(
        source=f"{asset}/{row.source}",
        asset=asset,
        modality=KINDS[row.source],
        every=None if row.every is None else timedelta(seconds=row.every),
        valid_from=begin,
        valid_to=end,
    )
