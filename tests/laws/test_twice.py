"""Law 4, once more: what is sent a second time is there once, and is no sign of life."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from mmindustry.windowing.policy import WindowPolicy
from tests.laws.script import Emit, Known, emits, policies, registries
from tests.laws.world import World

LONG = 600.0
"""Seconds until every window has closed, every silent source is quiet, every validity over."""


def facts(world: World) -> dict[str, object]:
    """Return all that the same feed may not add to or change."""
    database = world.database
    return {
        "windows": dict(database.windows),
        "predictions": dict(database.predictions),
        "entries": dict(database.entries),
        "states": dict(database.states),
        "late": dict(database.late),
        "dead letters": dict(database.dead_letters),
        "gaps": dict(database.gaps),
        "alarms": list(database.transitions),
    }


@given(
    policies(),
    registries(),
    st.lists(emits(), min_size=3, max_size=50),
    st.sampled_from(["same", "new"]),
)
def test_a_feed_sent_twice_changes_nothing_but_the_count_of_duplicates(
    policy: WindowPolicy, known: Sequence[Known], script: Sequence[Emit], worker: str
) -> None:
    world = World(policy, known=known)
    world.run(script)
    world.rest(LONG)
    before = facts(world)
    events = [event for event in world.sent.values() if event is not None]

    for event in events:
        world.send(event)
        world.clock.crank(0.4)
        if worker == "same":
            world.turn("a")
    if worker == "new":
        world.start("a")
    world.rest(LONG)

    assert facts(world) == before
