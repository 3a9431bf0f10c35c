"""Each commit rule, taken out on purpose, is missed by a law: the laws have teeth."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from typing_extensions import override

from mmindustry.alerting.rules import Rules
from mmindustry.domain import Arrival, Claim, Message, Shard, Step, Untaken, Window
from mmindustry.errors import Fenced
from mmindustry.pipeline import Pipeline
from mmindustry.testing import FakeArchive, FakeDatabase, FakeRecorder, FakeSource, WindowRow
from mmindustry.windowing.policy import WindowPolicy
from tests.laws.script import policies, scripts
from tests.laws.test_line import Script, check_all
from tests.laws.world import Rig, World


class CommitsWhatWasRead(FakeRecorder):
    """Without rule 2: `needed_from` is simply what was read."""

    @override
    def save(self, step: Step) -> None:
        progress = tuple(
            replace(
                one,
                topics={
                    name: replace(topic, needed_from=topic.read_through)
                    for name, topic in one.topics.items()
                },
            )
            for one in step.progress
        )
        super().save(replace(step, progress=progress))


class ClosesBeforeRefill(FakeSource):
    """Without rule 3: windows close although not all topics are back at `read_through`."""

    @override
    def arrival(self) -> Mapping[int, Arrival]:
        return {p: replace(a, ready=True) for p, a in super().arrival().items()}


class TakesSeenForNew(FakeSource):
    """Without rule 3: what is read again counts again."""

    @override
    def poll(self) -> Sequence[Message]:
        return [replace(message, seen=False) for message in super().poll()]


class UpsertingDatabase(FakeDatabase):
    """Without rule 4: the last write of a row wins."""

    @override
    def apply(self, step: Step) -> None:
        super().apply(step)
        self.windows.update({window.key: WindowRow.of(window) for window in step.windows})


class ReplayingRecorder(FakeRecorder):
    """Without rule 4: a claim knows no frontier, so windows are computed anew."""

    @override
    def claim(self, partitions: Sequence[int]) -> list[Claim]:
        return [replace(claim, assets=()) for claim in super().claim(partitions)]


class NoFence(FakeDatabase):
    """Without rule 5: whoever writes, writes."""

    @override
    def check(self, fences: object, partitions: list[int]) -> None:
        del fences, partitions


class KeepsMemory(Pipeline):
    """Without rule 6: a failed step is not forgotten."""

    @override
    def turn(self) -> bool:
        try:
            self._settle()
            messages = self._source.poll()
            self._carry(messages)
            if not messages:
                self._revise(8)
        except Fenced:
            return True
        return bool(messages)


class NamesUnwrittenShards(FakeArchive):
    """Without rule 7: bytes are let go before their shard is durable."""

    @override
    def put(
        self, windows: Sequence[Window], late: Sequence[Untaken], ready: Collection[int]
    ) -> list[Shard]:
        shards = super().put(windows, late, ready)
        for shard in shards:
            self._storage.shards.pop(shard.id, None)
        return shards


class AsksNobody(FakeRecorder):
    """Without rule 8: what the record names already is listed late again."""

    @override
    def _knows(self, event: object) -> bool:
        del event
        return False


class ForgetsAlarms(Rules):
    """Without rule 9: a claim begins with empty alarm rules."""

    @override
    def restore(self, claim: Claim) -> None:
        del claim


MUTANTS = {
    "rule 2: commits what was read": Rig(recorder=CommitsWhatWasRead),
    "rule 3: closes before the refill is over": Rig(source=ClosesBeforeRefill),
    "rule 3: takes seen for new": Rig(source=TakesSeenForNew),
    "rule 4: replays and upserts": Rig(database=UpsertingDatabase, recorder=ReplayingRecorder),
    "rule 5: has no fence": Rig(database=NoFence),
    "rule 6: keeps memory after a failure": Rig(pipeline=KeepsMemory),
    "rule 7: names unwritten shards": Rig(archive=NamesUnwrittenShards),
    "rule 8: asks nobody for duplicates": Rig(recorder=AsksNobody),
    "rule 9: forgets alarm states": Rig(rules=ForgetsAlarms),
}

_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


@pytest.mark.parametrize("name", MUTANTS)
def test_a_law_catches_the_line_without(name: str) -> None:
    @settings(
        max_examples=400,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=_QUIET,
        print_blob=False,
        report_multiple_bugs=False,
    )
    @given(policies(), scripts())
    def law(policy: WindowPolicy, script: Script) -> None:
        world = World(policy, MUTANTS[name])
        world.run(script)
        check_all(world)

    with pytest.raises(AssertionError):
        law()


def test_the_sound_line_is_not_caught() -> None:
    world = World(WindowPolicy(name="law"), Rig())

    world.finish()

    check_all(world)
    assert isinstance(world.clock.now(), datetime)
