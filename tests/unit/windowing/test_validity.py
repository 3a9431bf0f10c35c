"""Which of a source's registry rows counts at an instant."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from mmindustry.domain import Modality, Sensor
from mmindustry.testing import ASSET, BEGINNING
from mmindustry.windowing.validity import EVER, Validity

_SECONDS = st.one_of(st.none(), st.integers(0, 12))


def at(seconds: float) -> datetime:
    return BEGINNING + timedelta(seconds=seconds)


def row(begin: float | None, end: float | None, *, every: float = 1.0) -> Sensor:
    return Sensor(
        source="cam",
        asset=ASSET,
        modality=Modality.IMAGE,
        every=timedelta(seconds=every),
        valid_from=None if begin is None else at(begin),
        valid_to=None if end is None else at(end),
    )


def valid(one: Sensor, instant: datetime) -> bool:
    begun = one.valid_from is None or one.valid_from <= instant
    return begun and (one.valid_to is None or instant < one.valid_to)


@given(st.lists(st.tuples(_SECONDS, _SECONDS), min_size=1, max_size=6), st.integers(-1, 13))
def test_of_all_valid_rows_the_one_that_began_last_counts(
    bounds: Sequence[tuple[int | None, int | None]], seconds: int
) -> None:
    rows = [row(*pair, every=number + 1) for number, pair in enumerate(bounds)]
    span = Validity(rows).at(at(seconds))

    alive = [one for one in rows if valid(one, at(seconds))]
    begins = [one.valid_from or EVER for one in alive]

    assert (span.sensor is None) == (not alive)
    assert span.sensor is None or (span.sensor.valid_from or EVER) == max(begins)
    assert span.ends is None or span.ends > at(seconds)


def test_an_unbroken_stretch_begins_where_its_first_row_does() -> None:
    known = Validity([row(5, 9), row(2, 5), row(20, None)])

    assert known.at(at(7)).since == at(2)
    assert known.at(at(30)).since == at(20)


def test_a_source_is_over_only_where_no_row_follows() -> None:
    ended, returning = Validity([row(0, 5)]), Validity([row(0, 5), row(9, None)])

    assert [ended.is_over(at(s)) for s in (4, 5)] == [False, True]
    assert not returning.is_over(at(6))


def test_a_row_without_bounds_never_changes() -> None:
    assert not Validity([row(None, None)]).is_bounded
    assert Validity([row(None, 3)]).is_bounded
