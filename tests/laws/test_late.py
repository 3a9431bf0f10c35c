"""A revision finds of the sensors what its window would have, had all come in time."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from mmindustry.domain import Event, Prediction, WindowKey
from mmindustry.testing import make_event
from mmindustry.testing.database import WindowRow
from mmindustry.windowing.policy import WindowPolicy
from tests.laws.script import Known, plain_policies
from tests.laws.world import ASSETS, KINDS, World

SOURCES = ("cam", "cam-2", "mic")
REGISTRY = tuple(Known(0, source) for source in SOURCES)
"""All are known from the first: an unknown source is awaited once it spoke, so by order of arrival.
"""


@dataclass(frozen=True, slots=True)
class Sent:
    """An item of one asset: when it was taken, in half seconds, and what it shows."""

    source: str
    at: int
    shows: bytes
    late: bool

    def event(self) -> Event:
        return make_event(
            KINDS[self.source],
            self.at / 2.0,
            asset=ASSETS[0],
            source=f"{ASSETS[0]}/{self.source}",
            id=f"{self.source}-{self.at}",
            payload=self.shows,
            seconds=0.5,
        )


def sent() -> st.SearchStrategy[list[Sent]]:
    one = st.builds(
        Sent,
        source=st.sampled_from(["cam", "cam", "cam-2", "mic"]),
        at=st.integers(0, 47),
        shows=st.sampled_from([b"same", b"same", b"same", b"other"]),
        late=st.booleans(),
    )
    return st.lists(one, min_size=3, max_size=30, unique_by=lambda item: (item.source, item.at))


def told(policy: WindowPolicy, *batches: Iterable[Sent]) -> World:
    """Send batches one after the other, each read at once, closed and revised as far as it goes.

    Read bit by bit, a window may be revised before more comes for the windows before it.
    """
    world = World(policy, known=REGISTRY, most=1000)
    for batch in batches:
        for item in sorted(batch, key=lambda item: item.at):
            world.send(item.event())
        world.rest(60)
    return world


def newest(world: World) -> dict[datetime, WindowRow]:
    rows = sorted(world.database.windows.values(), key=lambda row: row.key.revision)
    return {row.key.start: row for row in rows}


def findings(world: World, key: WindowKey) -> tuple[tuple[str, str], ...]:
    (said,) = (p for (k, _), p in world.database.predictions.items() if k == key)
    assert isinstance(said, Prediction)
    return said.findings


@given(plain_policies(), sent())
def test_a_revision_finds_what_the_window_would_have_had_all_come_in_time(
    policy: WindowPolicy, items: list[Sent]
) -> None:
    in_time = told(policy, items)
    world = told(
        policy, [item for item in items if not item.late], [item for item in items if item.late]
    )

    assert not in_time.database.late
    rows, wanted = newest(world), newest(in_time)
    revised = {s for untaken, _ in world.database.late.values() for s in untaken.late_for}
    for start in sorted(revised):
        row, like = rows[start], wanted[start]
        assert row.key.revision > 0
        assert row.missing == like.missing, f"{start}: who is missing"
        assert findings(world, row.key) == findings(in_time, like.key), f"{start}: findings"
