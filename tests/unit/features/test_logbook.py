"""Summaries quote, in order, once; groups hold what belongs together; both do it the same twice."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mmindustry.features.logbook import clusters, distinct, summary, terms_of, tf_idf

LOG = [
    "P-101 brg noisy DE",
    "P-101 BRG NOISY DE",
    "Greased bearing, noise lower",
    "seal leaking, oil on floor",
    "oil puddle under seal, cleaned",
    "shift handover ok",
    "mech seal leaking oil on floor",
    "轴承异响，已加润滑脂",
    "轴承仍有异响",
    "密封漏油",
    "4711",
]


def test_lines_that_say_the_same_are_told_once_with_how_often() -> None:
    found = {one.place: one.times for one in distinct(LOG)}

    assert found[0] == 2
    assert 1 not in found
    assert sum(found.values()) == len(LOG)


def test_a_summary_quotes_in_order_of_time_and_says_nothing_twice() -> None:
    chosen = [one.place for one in summary(LOG, 5)]

    assert chosen == sorted(chosen)
    assert len(chosen) == 5
    assert not {3, 6} <= set(chosen)  # the same leak
    assert 10 not in chosen  # a number alone tells nothing
    assert any(LOG[place][0] > "\u3400" for place in chosen)


def test_a_summary_covers_more_than_the_first_lines_do() -> None:
    rows, _ = tf_idf(LOG)
    chosen = [one.place for one in summary(LOG, 4)]

    def covered(places: list[int]) -> float:
        return float((rows @ rows[places].T).max(axis=1).mean())

    assert covered(chosen) > covered([0, 1, 2, 3])


def test_groups_hold_what_belongs_together_and_are_named_by_it() -> None:
    groups = clusters(LOG)

    together = [set(group.places) for group in groups]
    assert any({0, 1} <= one for one in together)
    assert any({3, 6} <= one for one in together)
    assert any({7, 8} <= one for one in together)
    leak = next(group for group in groups if 3 in group.places)
    assert {"oil", "seal"} & set(leak.terms)
    places = [place for one in together for place in one]
    assert sorted(places) == [n for n in range(len(LOG)) if terms_of(LOG[n])]


def test_nothing_to_tell_is_told_as_nothing() -> None:
    assert summary([], 5) == []
    assert clusters([]) == []
    assert clusters(["4711", "--"]) == []
    assert [group.places for group in clusters(["one line"])] == [(0,)]


lines = st.lists(st.text(max_size=40), max_size=12)


@given(lines, st.integers(1, 6))
def test_any_log_is_summed_up_the_same_twice_within_its_bounds(log: list[str], most: int) -> None:
    chosen = summary(log, most)

    assert chosen == summary(log, most)
    assert len(chosen) <= most
    assert [c.place for c in chosen] == sorted({c.place for c in chosen})
    groups = clusters(log)
    assert groups == clusters(log)
    held = [place for group in groups for place in group.places]
    assert len(held) == len(set(held))


def test_rows_are_of_length_one() -> None:
    rows, names = tf_idf(LOG)

    assert names == sorted(names)
    lengths = np.linalg.norm(rows, axis=1)
    np.testing.assert_allclose(lengths[lengths > 0], 1.0)
