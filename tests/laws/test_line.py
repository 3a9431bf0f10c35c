"""Laws 1, 2, 4, 5, 6, 7 and 13, live: any order, any crash, any zombie, any assignment."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from hypothesis import given

from mmindustry.alerting.rules import Rules
from mmindustry.domain import Change, Event, Modality, Position, Prediction
from mmindustry.testing import FakeDatabase
from mmindustry.windowing.policy import WindowPolicy
from tests.laws.script import Act, Emit, Known, policies, registries, scripts
from tests.laws.world import ALERTING, World

Script = Sequence[Emit | Act]


def play(policy: WindowPolicy, script: Script, known: Sequence[Known]) -> World:
    world = World(policy, known=known)
    world.run(script)
    return world


def first_media(world: World) -> list[Event]:
    """Return the accepted frames and chunks, the first of each identity, readable ones only."""
    return [
        event
        for position, event in world.sent.items()
        if event is not None
        and event.modality in (Modality.IMAGE, Modality.AUDIO)
        and world.first[event.identity] == position
        and position not in world.torn
    ]


def check_everything_is_placed(world: World) -> None:
    """Law 4: once in every covering window, as evidence or listed late, and in no other."""
    placed = {
        (e.position, row.key.start)
        for row in world.database.windows.values()
        if row.key.revision == 0
        for e in row.evidence
    }
    late = {
        (position, start)
        for position, (untaken, _) in world.database.late.items()
        for start in untaken.late_for
    }
    wanted = {(e.position, s) for e in first_media(world) for s in world.starts(e)}
    torn_twins = {
        (position, start)
        for position, event in world.sent.items()
        if event is not None and world.first[event.identity] in world.torn
        for start in world.starts(event)
    }
    assert not placed & late, "law 4: both evidence and late"
    assert (placed | late) - torn_twins == wanted - torn_twins, "law 4: lost, doubled or misplaced"


def check_rows_are_what_their_cut_covers(world: World) -> None:
    """Law 7: late is only what was read beyond the cut, evidence only what was read below it."""
    for position, (untaken, _) in world.database.late.items():
        for start in untaken.late_for:
            key = (untaken.event.asset, world.policy.name, start, 0)
            row = world.database.windows.get(key)  # type: ignore[call-overload]
            if row is not None:
                assert position.offset >= dict(row.cut)[position.topic], "law 7: late below a cut"
    for row in (r for r in world.database.windows.values() if r.key.revision == 0):
        cut = dict(row.cut)
        assert all(e.position.offset < cut[e.position.topic] for e in row.evidence)


def check_alarms_are_the_fold(world: World) -> None:
    """Law 7: alarms not marked late equal the rules folded over revision 0."""
    database: FakeDatabase = world.database
    zero = [
        p
        for (key, _), p in database.predictions.items()
        if key.revision == 0 and isinstance(p, Prediction)
    ]
    for asset in {p.window.asset for p in zero}:
        mine = sorted((p for p in zero if p.window.asset == asset), key=lambda p: p.end)
        expected, _ = Rules(ALERTING).fold(mine, ())
        got = [
            t
            for t in database.transitions
            if t.key.asset == asset and t.window is not None and not t.late
        ]
        assert got == expected, "law 7: alarms differ from the fold over the record"
        standing: Counter[tuple[str, str]] = Counter()
        for t in got:
            standing[t.key.fault, t.source] += 1 if t.change is Change.RAISED else -1
        assert set(standing.values()) <= {0, 1}


def check_late_evidence_is_revised(world: World) -> None:
    """Rule 8: the newest revision of a window holds revision 0's evidence and all that was late."""
    database = world.database
    wanted: dict[tuple[str, str, datetime], set[Position]] = {}
    for position, (untaken, _) in database.late.items():
        if position not in world.torn:
            for start in untaken.late_for:
                slot = (untaken.event.asset, world.policy.name, start)
                wanted.setdefault(slot, set()).add(position)
    for slot, late in wanted.items():
        rows = {row.key.revision: row for row in database.windows.values() if row.key[:3] == slot}
        newest = {e.position for e in rows[max(rows)].evidence} if rows else set()
        first = {e.position for e in rows[0].evidence} if 0 in rows else set()
        assert newest >= late, "rule 8: late evidence no revision holds"
        assert newest - late >= first - late, "rule 8: a revision lost evidence of revision 0"


def check_every_message_is_settled(world: World) -> None:
    """At rest nothing is in flight, nothing waits for a shard, and every window is predicted."""
    for progress in world.database.progress.values():
        assert progress.in_flight == 0
        for topic in progress.topics.values():
            assert topic.needed_from == topic.read_through
    assert {key for key, _ in world.database.predictions} == set(world.database.windows)
    for position, event in world.sent.items():
        if event is not None and position not in world.database.dead_letters:
            assert world.durable(event), f"{position} is nowhere"
        elif event is None:
            assert position in world.database.dead_letters
    told, recorded = set(world.letters.letters), set(world.database.dead_letters)
    assert recorded <= told
    given_up = {position for position, _ in world.database.given_up}
    assert told - recorded <= given_up, "told, the step died, and it came too late the second time"


def check_all(world: World) -> None:
    check_everything_is_placed(world)
    check_rows_are_what_their_cut_covers(world)
    check_alarms_are_the_fold(world)
    check_late_evidence_is_revised(world)
    check_every_message_is_settled(world)


@given(policies(), scripts(), registries())
def test_nothing_is_lost_doubled_or_changed_whatever_dies(
    policy: WindowPolicy, script: Script, known: Sequence[Known]
) -> None:
    check_all(play(policy, script, known))
