"""Event -> Window over all partitions that are held: the one door of this package."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from mmindustry.domain import (
    Arrival,
    AssemblyState,
    Claim,
    DeadLetter,
    Event,
    Fresh,
    Gap,
    Modality,
    Progress,
    Sensor,
    Shard,
    Untaken,
    Window,
)
from mmindustry.windowing.partition import PartitionMemory
from mmindustry.windowing.policy import WindowPolicy


class Assembler:
    """Holds events until their windows close, and says what must still be held.

    Called by the pipeline only, in the order of its page: `add`, `admit`, `close`, `progress`.
    Performs no I/O and asks no clock: time comes as event times and as `Arrival`.
    """

    def __init__(self, policy: WindowPolicy) -> None:
        self._policy = policy
        self._partitions: dict[int, PartitionMemory] = {}
        self._arrivals: Mapping[int, Arrival] = {}

    def restore(self, claim: Claim) -> None:
        """Take a partition over with what the record knows of it."""
        memory = PartitionMemory(claim.partition, self._policy)
        memory.restore(claim)
        self._partitions[claim.partition] = memory

    def forget(self) -> None:
        """Drop everything; only claims bring it back."""
        self._partitions.clear()
        self._arrivals = {}

    def register(self, partition: int, sensors: Iterable[Sensor]) -> None:
        """Replace what the registry says of one partition's sensors; one not held is none's."""
        if partition in self._partitions:
            self._partitions[partition].register(sensors)

    def add(self, events: Sequence[Event], refused: Sequence[DeadLetter] = ()) -> list[Untaken]:
        """Put events into their windows; return, in order, what no open window takes.

        `refused` are the messages of the same poll that became no event; they count as received.
        """
        for letter in refused:
            self._partitions[letter.message.position.partition].holdings.received += 1
        untaken = []
        for event in events:
            memory = self._partitions[event.position.partition]
            if not event.seen:
                memory.holdings.received += 1
            left = memory.add(event)
            if left is not None:
                untaken.append(left)
        return untaken

    def admit(self, fresh: Fresh) -> Fresh:
        """Take in what the record found new among the untaken, count the rest, pass it on."""
        for partition, part in _by_partition(fresh).items():
            self._partitions[partition].admit(part)
        return fresh

    def lose(self, gaps: Iterable[Gap]) -> None:
        """Note stretches of offsets that the stream lost."""
        for gap in gaps:
            if gap.partition in self._partitions:
                self._partitions[gap.partition].lose(gap)

    def close(
        self, arrivals: Mapping[int, Arrival], *, limit: int | None = None
    ) -> tuple[list[Window], list[Gap]]:
        """Return at most `limit` windows that are due, and the gaps that began or ended.

        Only partitions that are back at `read_through` close anything (commit rule 3).
        """
        self._arrivals = arrivals
        left = self._policy.close_limit if limit is None else limit
        windows: list[Window] = []
        gaps: list[Gap] = []
        for partition in sorted(self._partitions):
            memory = self._partitions[partition]
            gaps += memory.gaps(arrivals.get(partition))
            memory.more = left <= 0
            if left > 0:
                closed = list(memory.close(arrivals.get(partition), left))
                windows += closed
                left -= len(closed)
        return windows, gaps

    def strike(self, windows: Sequence[Window], unreadable: Sequence[DeadLetter]) -> list[Window]:
        """Return the windows just closed without the items that turned out unreadable.

        Those are dead-lettered in the same step, so no row holds them any more.
        """
        positions = frozenset(letter.message.position for letter in unreadable)
        if not positions:
            return list(windows)
        kept = [window.without(positions) for window in windows]
        for window in kept:
            self._partitions[window.partition].holdings.strike(window, positions)
        return kept

    def silent(self, window: Window) -> tuple[str, ...]:
        """Return who is awaited in a window and gave it nothing, by what is known now.

        For a window that was never open: only late evidence came of it.
        """
        memory = self._partitions[window.partition].assets.get(window.key.asset)
        if memory is None:
            return ()
        return memory.time.silent(window.items, opened=window.end, end=window.end)

    @property
    def more(self) -> bool:
        """Whether the last `close` stopped at its limit: close again before the next poll."""
        return any(memory.more for memory in self._partitions.values())

    def progress(self, shards: Sequence[Shard]) -> tuple[Progress, ...]:
        """Let go of what `shards` hold and return the progress of all partitions being read."""
        for shard in shards:
            if shard.partition in self._partitions:
                self._partitions[shard.partition].holdings.seal((shard,))
        return tuple(
            self._partitions[partition].holdings.progress(arrival)
            for partition, arrival in sorted(self._arrivals.items())
            if partition in self._partitions
        )

    def drops(self) -> Counter[tuple[Modality | None, str]]:
        """Return, once, what was dropped since the last call, by modality and reason."""
        found: Counter[tuple[Modality | None, str]] = Counter()
        for memory in self._partitions.values():
            found.update(memory.holdings.take_drops())
        return found

    def changed(self) -> tuple[AssemblyState, ...]:
        """Return, once, the state of every asset that changed since the last call."""
        return tuple(
            memory.state(self._policy.name)
            for partition in sorted(self._partitions)
            for memory in self._partitions[partition].take_changed()
        )

    @property
    def held_bytes(self) -> int:
        """Media bytes held now, in open windows and unsealed rows."""
        return sum(memory.holdings.held.bytes for memory in self._partitions.values())

    @property
    def open_windows(self) -> int:
        """Windows that still take events; walks all assets, so ask now and then."""
        return sum(
            len(asset.windows)
            for memory in self._partitions.values()
            for asset in memory.assets.values()
        )


def _by_partition(fresh: Fresh) -> dict[int, Fresh]:
    """Return the same news parted by partition."""
    parts: dict[int, tuple[list[Untaken], list[Event], list[Event], list[Event]]] = {}

    def part(event: Event) -> tuple[list[Untaken], list[Event], list[Event], list[Event]]:
        return parts.setdefault(event.position.partition, ([], [], [], []))

    for late in fresh.late:
        part(late.event)[0].append(late)
    for entry in fresh.entries:
        part(entry)[1].append(entry)
    for state in fresh.states:
        part(state)[2].append(state)
    for event in fresh.duplicates:
        part(event)[3].append(event)
    return {
        partition: Fresh(tuple(late), tuple(entries), tuple(states), tuple(duplicates))
        for partition, (late, entries, states, duplicates) in parts.items()
    }
