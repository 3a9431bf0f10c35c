"""Law 12: a label never leaks, neither through an overlapping window nor through later text."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import combinations, count

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmindustry.domain import Event, Modality
from mmindustry.features.spec import Recipe
from mmindustry.simulate.policy import SimulatePolicy
from mmindustry.simulate.windows import Studio
from mmindustry.testing import BEGINNING, make_event, make_window
from mmindustry.training.examples import label_of, orders
from mmindustry.training.split import split_by_group
from tests.contracts.record_world import World, fake_world, sql_world

LENGTH = timedelta(seconds=10)
CUT = 20


@st.composite
def recordings(draw: st.DrawFn) -> list[tuple[str, datetime]]:
    """Draw windows as (asset, start), many overlapping, of three assets at the least."""
    starts = st.lists(st.integers(0, 60), min_size=1, max_size=8)
    assets = range(draw(st.integers(3, 12)))
    return [(f"a{n}", BEGINNING + timedelta(seconds=s)) for n in assets for s in draw(starts)]


@given(recordings(), st.integers(0, 99), st.floats(0.05, 0.3), st.floats(0.05, 0.3))
def test_no_training_window_overlaps_a_test_window_of_its_asset(
    windows: Sequence[tuple[str, datetime]], seed: int, validate: float, test: float
) -> None:
    groups = np.array([asset for asset, _ in windows])

    split = split_by_group(groups, validate=validate, test=test, seed=seed)

    sides = [[windows[row] for row in rows] for rows in (split.train, split.validate, split.test)]
    assert sum(map(len, sides)) == len(windows)
    for one, other in combinations(sides, 2):
        assert not [
            (left, right)
            for left in one
            for right in other
            if left[0] == right[0] and abs(left[1] - right[1]) < LENGTH
        ]


@given(st.integers(1, 500), st.integers(3, 60), st.integers(0, 9))
def test_windows_of_one_machine_are_of_one_group_and_of_no_other(
    windows: int, machines: int, seed: int
) -> None:
    wanted = orders(windows, Recipe(), machines=machines, seed=seed)

    assert len({order.seed for order in wanted}) == machines
    assert sum(order.visits for order in wanted) >= windows


@settings(max_examples=12)
@given(st.integers(0, 10_000), st.integers(0, 30))
def test_a_simulated_window_carries_nothing_from_beyond_its_end(seed: int, number: int) -> None:
    (order,) = orders(1, Recipe(), machines=1, seed=seed)
    made = Studio(SimulatePolicy(seed=order.seed, assets=1), 4.0).shoot(number)

    assert label_of(made, order).group == str(order.seed)
    assert all(entry.end <= made.window.end for entry in made.context.entries)
    assert all(state.time < made.window.end for state in made.context.states)


@pytest.fixture(scope="module", params=["fake", "sqlite"])
def record(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[World, Iterator[int]]]:
    """A record, and numbers that nobody has used in it."""
    if request.param == "fake":
        yield fake_world(), count()
        return
    path = tmp_path_factory.mktemp("leaks") / "record.db"
    path.write_bytes(request.getfixturevalue("sqlite_template").read_bytes())
    world = sql_world(f"sqlite:///{path}")
    yield world, count()
    world.close()


def texts() -> st.SearchStrategy[list[tuple[float, float, int]]]:
    """Draw entries as (time, seconds until it counts, offset), on both sides of window and cut."""
    one = st.tuples(
        st.integers(-30, 25).map(float), st.sampled_from([0.0, 0.0, 5.0, 40.0]), st.integers(0, 40)
    )
    return st.lists(one, max_size=9, unique_by=lambda entry: entry[2])


@given(entries=texts(), fresh=texts())
def test_text_from_beyond_the_end_or_the_cut_changes_no_context(
    record: tuple[World, Iterator[int]],
    entries: Sequence[tuple[float, float, int]],
    fresh: Sequence[tuple[float, float, int]],
) -> None:
    world, numbers = record
    with_all, with_due = (f"n/h/l/a-{next(numbers)}" for _ in range(2))
    taken = {offset for *_, offset in entries}
    fresh = [entry for entry in fresh if entry[2] not in taken]

    found = []
    for asset, due_only in ((with_all, False), (with_due, True)):
        kept, new = (
            [text(asset, one) for one in some if is_due(one) or not due_only]
            for some in (entries, fresh)
        )
        world.save(entries=tuple(kept))
        window = make_window([])
        window = replace(window, key=window.key._replace(asset=asset), cut={"mm.logs": CUT})
        (context,) = world.recorder.contexts([window], new)
        found.append([(entry.id, entry.end) for entry in context.entries])

    assert found[0] == found[1]
    assert len(found[0]) == sum(map(is_due, (*entries, *fresh)))


def is_due(entry: tuple[float, float, int]) -> bool:
    time, delay, offset = entry
    return time + delay <= LENGTH.total_seconds() and offset < CUT


def text(asset: str, entry: tuple[float, float, int]) -> Event:
    time, delay, offset = entry
    made = make_event(
        Modality.TEXT, time, asset=asset, source=f"{asset}/cmms", id=str(offset), offset=offset
    )
    return replace(made, end=made.time + timedelta(seconds=delay))
