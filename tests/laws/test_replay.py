"""Law 7, replay: one log read twice leaves the same record, wherever either reader crashes."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from mmindustry.domain import Message
from mmindustry.testing import BEGINNING, FakeSource
from tests.laws.script import Emit, emits, policies, registries
from tests.laws.world import Rig, World


class SliceSource(FakeSource):
    """Reads one second of append time at a time; its arrival clock knows nothing else."""

    @override
    def _admits(self, taken: Sequence[Message], message: Message) -> bool:
        if not taken:
            return True
        first, place = taken[0], (message.position.topic, message.position.partition)
        seen = message.position.offset < self._through[place]
        return seen == first.seen and (seen or _second(message) == _second(first))

    @override
    def _idle_clock(self, partition: int) -> datetime:
        return self._clocks[partition] or BEGINNING


def _second(message: Message) -> int:
    return int((message.append_time - BEGINNING).total_seconds())


def record(log: World, crashes: Mapping[int, str]) -> dict[str, object]:
    """Replay the log of one world into a new one, crashing at these turns; return its record."""
    world = World(log.policy, Rig(source=SliceSource), most=10_000, known=log.known)
    world.log = log.log
    world.sent, world.torn, world.first = log.sent, log.torn, log.first
    world.start("a")
    turns = 0
    idle = 0
    while idle < 3:
        world.workers["a"].crash_at = crashes.get(turns, "")
        before = world.commits
        world.turn("a")
        turns += 1
        idle = idle + 1 if world.commits == before and turns > max(crashes, default=0) else 0
    database = world.database
    return {
        "windows": dict(database.windows),
        "late": {p: untaken.late_for for p, (untaken, _) in database.late.items()},
        "dead": {p: letter.reason for p, letter in database.dead_letters.items()},
        "gaps": dict(database.gaps),
        "predictions": dict(database.predictions),
        "alarms": sorted(database.transitions, key=lambda t: (t.key, t.at)),
        "progress": {
            p: (one.arrival, one.received, one.in_flight, one.dropped)
            for p, one in database.progress.items()
        },
    }


def crash_plans() -> st.SearchStrategy[dict[int, str]]:
    points = st.sampled_from(["before", "after_archive", "after_save"])
    return st.dictionaries(st.integers(0, 25), points, max_size=6)


@st.composite
def plants(draw: st.DrawFn) -> World:
    """A plant with its registry that has sent all it sends."""
    script: Sequence[Emit] = draw(st.lists(emits(), min_size=5, max_size=70))
    plant = World(draw(policies()), known=draw(registries()))
    for line in script:
        plant.emit(line)
        plant.clock.crank(draw(st.sampled_from([0.4, 0.4, 0.4, 4.0])))
    return plant


@given(plants(), crash_plans(), crash_plans())
def test_two_replays_of_one_log_leave_the_same_record(
    plant: World, crashes: dict[int, str], others: dict[int, str]
) -> None:
    one, two = record(plant, crashes), record(plant, others)

    assert one == two
