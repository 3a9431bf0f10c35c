"""The durable half of the fake record: survives the death of any `FakeRecorder` over it."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from mmindustry.domain import (
    AlarmKey,
    AlarmTransition,
    AssemblyState,
    AssetCard,
    Change,
    DeadLetter,
    Event,
    Evidence,
    Failed,
    Gap,
    Identity,
    LastPicture,
    Position,
    Prediction,
    Progress,
    Sensor,
    Shard,
    Step,
    Untaken,
    Window,
    WindowKey,
)
from mmindustry.errors import Fenced


@dataclass(frozen=True, slots=True)
class WindowRow:
    """What the record keeps of a closed window."""

    key: WindowKey
    end: datetime
    partition: int
    cut: tuple[tuple[str, int], ...]
    evidence: tuple[Evidence, ...]
    missing: tuple[str, ...]
    closed_by: str
    blind: bool
    evidence_lost: str | None
    struck: tuple[Evidence, ...] = ()
    pictures: tuple[tuple[str, LastPicture], ...] = ()

    @classmethod
    def of(cls, window: Window) -> "WindowRow":
        """Return the row of a window."""
        return cls(
            key=window.key,
            end=window.end,
            partition=window.partition,
            cut=tuple(sorted(window.cut.items())),
            evidence=window.evidence,
            missing=window.missing,
            closed_by=str(window.closed_by),
            blind=window.blind,
            evidence_lost=window.evidence_lost,
            struck=window.struck,
            pictures=tuple(sorted(window.pictures.items())),
        )


@dataclass(slots=True)
class Fence:
    """Who may write a partition: the worker that knows both numbers."""

    epoch: int = 0
    step: int = 0


@dataclass(slots=True)
class FakeDatabase:
    """Tables as dictionaries. One `apply` is one transaction."""

    fences: dict[int, Fence] = field(default_factory=dict)
    progress: dict[int, Progress] = field(default_factory=dict)
    assets: dict[str, AssemblyState] = field(default_factory=dict)
    alarm_memory: dict[str, tuple[int, dict[str, object]]] = field(default_factory=dict)
    windows: dict[WindowKey, WindowRow] = field(default_factory=dict)
    late: dict[Position, tuple[Untaken, Evidence]] = field(default_factory=dict)
    sealed: dict[WindowKey | Position, str] = field(default_factory=dict)
    entries: dict[Identity, Event] = field(default_factory=dict)
    states: dict[Identity, Event] = field(default_factory=dict)
    gaps: dict[tuple[object, ...], Gap] = field(default_factory=dict)
    predictions: dict[tuple[WindowKey, str], Prediction | Failed] = field(default_factory=dict)
    transitions: list[AlarmTransition] = field(default_factory=list)
    dead_letters: dict[Position, DeadLetter] = field(default_factory=dict)
    shards: dict[str, Shard] = field(default_factory=dict)
    given_up: set[tuple[Position, datetime]] = field(default_factory=set)
    cards: dict[str, AssetCard] = field(default_factory=dict)
    sensors: list[Sensor] = field(default_factory=list)
    registered: set[str] = field(default_factory=set)

    def check(self, fences: dict[int, Fence], partitions: list[int]) -> None:
        """Admit only the worker whose numbers are the newest (commit rule 5).

        Raises:
            Fenced: Another worker has claimed a partition since.
        """
        for partition in partitions:
            known, held = self.fences.get(partition), fences.get(partition)
            if known is None or held is None or known != held:
                raise Fenced(f"partition {partition}: {held} is not {known}")

    def apply(self, step: Step) -> None:
        """Write a step's facts; the first write of a row wins (commit rule 4)."""
        for progress in step.progress:
            self.progress[progress.partition] = progress
        for state in step.assets:
            self.assets[state.asset] = state
        for memory in step.alarm_states:
            partition = self.assets[memory.asset].partition if memory.asset in self.assets else 0
            self.alarm_memory[memory.asset] = (partition, dict(memory.memory))
        self._apply_rows(step)
        for shard in step.shards:
            self.shards[shard.id] = shard
            for row in shard.rows:
                if row.late:
                    self.sealed.update({e.position: shard.id for e in row.evidence})
                else:
                    self.sealed[row.key] = shard.id
                    if shard.lost and row.key in self.windows:
                        self.windows[row.key] = replace(
                            self.windows[row.key], evidence_lost=shard.lost
                        )

    def _apply_rows(self, step: Step) -> None:
        for window in step.windows:
            self.windows.setdefault(window.key, WindowRow.of(window))
        for late in step.late:
            e = late.event
            evidence = Evidence(e.source, e.id, e.time, e.modality, e.position)
            self.late.setdefault(e.position, (late, evidence))
        for entry in step.entries:
            self.entries.setdefault(entry.identity, entry)
        for state in step.states:
            self.states.setdefault(state.identity, state)
        for gap in step.gaps:
            self.gaps[(gap.partition, gap.asset, gap.source, gap.kind, gap.started)] = gap
        for prediction in step.predictions:
            self.predictions.setdefault((prediction.window, prediction.bundle), prediction)
        self.transitions += step.alarms
        for letter in step.dead_letters:
            self.dead_letters.setdefault(letter.message.position, letter)

    def stored(self, partition: int) -> set[Position]:
        """Return the positions that rows name, dead letters apart."""
        named = {e.position for row in self.windows.values() for e in row.evidence}
        named |= set(self.late)
        named |= {e.position for e in (*self.entries.values(), *self.states.values())}
        return {p for p in named if p.partition == partition} - set(self.dead_letters)

    def active(self) -> set[AlarmKey]:
        """Return the alarms raised and not cleared."""
        raised: set[AlarmKey] = set()
        for transition in self.transitions:
            if transition.change is Change.RAISED:
                raised.add(transition.key)
            else:
                raised.discard(transition.key)
        return raised
