"""The read side and the operators' answers, on SQLite and on PostgreSQL alike."""

import base64
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from mmindustry.alerting.lifecycle import Act
from mmindustry.domain import WindowKey
from mmindustry.errors import InputError
from mmindustry.store.database import open_database
from mmindustry.store.operators import Answer, ChangedMeanwhile, answer_alarm
from mmindustry.store.policy import StorePolicy
from mmindustry.store.queries.alarms import (
    asset_alarms,
    count_active,
    list_alarms,
    read_alarm,
    window_alarms,
)
from mmindustry.store.queries.detail import read_window
from mmindustry.store.queries.models import list_labels, list_partitions, read_version
from mmindustry.store.queries.overview import read_overview
from mmindustry.store.queries.page import Key, Page, read_cursor, write_cursor
from mmindustry.store.queries.plant import list_assets, read_asset, read_names
from mmindustry.store.queries.scope import Scope
from mmindustry.store.queries.sensors import list_sensors
from mmindustry.store.queries.surroundings import window_entries, window_late, window_states
from mmindustry.store.queries.trouble import list_dead_letters, list_gaps
from mmindustry.store.queries.windows import (
    Point,
    list_windows,
    neighbours,
    read_series,
    thin,
)
from tests.plant_record import ASSETS, FOREIGN, LENGTH, NOW, POLICY, SICK, PlantRecord, fill_record

WHOLE = Scope()
AACHEN = Scope("aachen")


@pytest.fixture
def record(database_url: str) -> Iterator[PlantRecord]:
    """A filled record on either backend."""
    database = open_database(StorePolicy(url=database_url))
    yield fill_record(database, windows_each=6)
    database.close()


def test_the_overview_holds_each_assets_newest_word(record: PlantRecord) -> None:
    with record.database.read() as connection:
        overview = read_overview(connection, WHOLE, limit=100)

    sick = next(g for g in overview.assets if g.asset.asset == SICK)
    assert [g.asset.asset for g in overview.assets] == sorted(ASSETS)
    assert sick.window is not None
    assert sick.window.id == record.sick_window
    assert sick.window.fault == "bearing_outer"
    assert sick.operating is not None
    assert sick.operating.running is True
    assert [a.fault for a in sick.alarms] == ["bearing_outer"]
    assert next(g for g in overview.assets if "fan-4" in g.asset.asset).quiet_sources == 1
    assert (overview.total, overview.next) == (len(ASSETS), None)


def test_a_capped_overview_says_where_it_goes_on(record: PlantRecord) -> None:
    with record.database.read() as connection:
        first = read_overview(connection, WHOLE, limit=4)
        rest = read_overview(connection, WHOLE, limit=100, after=first.next)

    assert len(first.assets) == 4
    assert len(rest.assets) == len(ASSETS) - 4


def test_every_list_keeps_to_its_scope_and_walks_without_gap_or_repeat(
    record: PlantRecord,
) -> None:
    lists: dict[str, Callable[[Connection, str | None], Page[Any]]] = {
        "alarms": lambda c, a: list_alarms(c, AACHEN, active=False, after=a, limit=1),
        "assets": lambda c, a: list_assets(c, AACHEN, after=a, limit=1),
        "sensors": lambda c, a: list_sensors(c, AACHEN, after=a, limit=1),
        "gaps": lambda c, a: list_gaps(c, AACHEN, after=a, limit=1),
        "dead": lambda c, a: list_dead_letters(c, AACHEN, after=a, limit=1),
        "labels": lambda c, a: list_labels(c, AACHEN, after=a, limit=1),
        "windows": lambda c, a: list_windows(c, AACHEN, SICK, after=a, limit=1),
    }
    with record.database.read() as connection:
        for name, ask in lists.items():
            page = ask(connection, None)
            walked = [*page.rows]
            while page.next is not None:
                page = ask(connection, page.next)
                walked += page.rows
            assert len(walked) == len(set(map(repr, walked))) >= 1, name
            assert "suzhou" not in repr(walked), name


def test_a_window_comes_with_what_surrounded_it_below_its_cut(record: PlantRecord) -> None:
    with record.database.read() as connection:
        window = read_window(connection, AACHEN, record.sick_window)
        assert window is not None
        entries = window_entries(connection, window)
        states = window_states(connection, window)
        late = window_late(connection, window)
        raised = window_alarms(connection, AACHEN, record.sick_window)

    assert len(window.evidence) == 15
    assert window.judgements[0].fault == "bearing_outer"
    assert window.revisions == ((0, record.sick_window),)
    assert [e.event_id for e in entries] == ["e3", "e2", "e1", "e0", "e4"]
    assert [s.speed_rpm for s in states] == [1476.0]
    assert [item.event_id for item in late] == ["late-1"]
    assert raised == ()


def test_entries_at_or_above_the_cut_are_not_context(record: PlantRecord) -> None:
    with record.database.read() as connection:
        window = read_window(connection, AACHEN, record.sick_window)
        assert window is not None
        narrow = {**window.cut, "mm.logs": 2}
        object.__setattr__(window, "cut", narrow)
        entries = window_entries(connection, window)

    assert [e.event_id for e in entries] == ["e1", "e0"]


def test_what_lies_outside_the_scope_does_not_exist(record: PlantRecord) -> None:
    with record.database.read() as connection:
        assert read_window(connection, AACHEN, record.foreign_window) is None
        assert read_alarm(connection, AACHEN, record.foreign_alarm) is None
        assert read_asset(connection, AACHEN, FOREIGN) is None
        assert window_alarms(connection, AACHEN, record.foreign_window) == ()
        assert asset_alarms(connection, AACHEN, FOREIGN, since=NOW - timedelta(days=1)) == ()
        assert list_windows(connection, AACHEN, FOREIGN).rows == ()
        assert read_series(connection, AACHEN, FOREIGN, since=NOW - LENGTH * 9, points=99) == []
        assert set(read_names(connection, AACHEN).zones) == {"aachen"}


def test_active_alarms_are_counted_by_priority(record: PlantRecord) -> None:
    with record.database.read() as connection:
        assert count_active(connection, WHOLE) == {"high": 1, "medium": 1, "low": 2}
        assert count_active(connection, AACHEN) == {"high": 1, "medium": 1, "low": 1}


def test_neighbours_are_the_windows_before_and_after(record: PlantRecord) -> None:
    middle = WindowKey(SICK, POLICY, NOW - 3 * LENGTH)
    with record.database.read() as connection:
        before, after = neighbours(connection, WHOLE, middle)

    assert before == WindowKey(SICK, POLICY, NOW - 4 * LENGTH).id
    assert after == WindowKey(SICK, POLICY, NOW - 2 * LENGTH).id


def test_a_series_is_in_order_of_time(record: PlantRecord) -> None:
    with record.database.read() as connection:
        points = read_series(connection, WHOLE, SICK, since=NOW - timedelta(hours=1), points=99)

    assert [p.end for p in points] == [NOW - n * LENGTH for n in reversed(range(6))]
    assert points[-1].health is not None
    assert points[-1].health < 0.2


def test_the_version_changes_with_every_answer_and_label(record: PlantRecord) -> None:
    with record.database.read() as connection:
        before = read_version(connection)
        assert list_partitions(connection)[0].received == 20_412
    with record.database.write() as connection:
        answer_alarm(connection, WHOLE, _answer(record, Act.CONFIRM))
    with record.database.read() as connection:
        after = read_version(connection)

    assert before != after


def _answer(record: PlantRecord, act: Act, author: str = "otto", version: int = 0) -> Answer:
    return Answer(alarm_id=record.sick_alarm, act=act, author=author, at=NOW, version=version)


def test_of_operators_who_answer_at_once_one_is_first_and_the_others_are_told(
    record: PlantRecord,
) -> None:
    outcomes: list[str] = []
    start = threading.Barrier(4)

    def answer(author: str) -> None:
        start.wait(10)
        try:
            with record.database.write() as connection:
                answer_alarm(connection, WHOLE, _answer(record, Act.CONFIRM, author))
            outcomes.append("written")
        except ChangedMeanwhile as error:
            outcomes.append(error.winner)

    threads = [threading.Thread(target=answer, args=(f"operator-{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    with record.database.read() as connection:
        detail = read_alarm(connection, WHOLE, record.sick_alarm)
        labels = list_labels(connection, AACHEN).rows
    assert detail is not None
    assert len(detail.alarm.actions) == 1
    assert sorted(outcomes) == sorted(["written", *[detail.alarm.actions[0].author] * 3])
    assert len([label for label in labels if label.alarm_id]) == 1


def test_an_answer_outside_the_scope_finds_no_alarm(record: PlantRecord) -> None:
    with record.database.write() as connection:
        assert answer_alarm(connection, Scope("suzhou"), _answer(record, Act.ACKNOWLEDGE)) is None


paths = st.lists(st.sampled_from(["a", "ab", "b", "a-b"]), min_size=1, max_size=4).map("/".join)


@given(paths, paths)
def test_a_scope_allows_exactly_the_paths_below_it(prefix: str, path: str) -> None:
    below = path.split("/")[: prefix.count("/") + 1] == prefix.split("/")

    assert Scope(prefix).allows(path) == below


@given(paths, paths, paths)
def test_a_narrowed_scope_allows_nothing_that_either_forbids(
    prefix: str, under: str, path: str
) -> None:
    try:
        narrowed = Scope(prefix).narrowed(under)
    except InputError:
        assert not (Scope(prefix).allows(path) and Scope(under).allows(path))
        return
    assert narrowed.allows(path) == (Scope(prefix).allows(path) and Scope(under).allows(path))


storable = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
moments = st.datetimes(timezones=st.just(UTC))
keys = st.tuples(storable, st.integers(-(2**63) + 1, 2**63 - 1), moments)


@given(keys)
def test_a_cursor_gives_its_key_back(key: Key) -> None:
    assert read_cursor(write_cursor(key), tuple(type(part) for part in key)) == key


@given(st.text(max_size=60))
def test_text_that_is_no_cursor_is_refused_by_that_name(text: str) -> None:
    with pytest.raises(InputError, match="cursor"):
        read_cursor(text, (str, int, str, int, str))


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=300), st.integers(1, 50))
def test_thinning_keeps_the_worst_point(healths: list[float | None], points: int) -> None:
    series = [Point(str(n), NOW + n * LENGTH, h, None, {}) for n, h in enumerate(healths)]

    thinned = thin(series, points)

    known = [p.health for p in series if p.health is not None]
    assert len(thinned) <= points
    assert [p.end for p in thinned] == sorted(p.end for p in thinned)
    if known:
        assert min(p.health for p in thinned if p.health is not None) == min(known)


@pytest.mark.parametrize("number", [2**31, 2**62, -(2**40)])
def test_a_cursor_with_any_integer_asks_both_databases_in_vain_not_in_error(
    record: PlantRecord, number: int
) -> None:
    moment = NOW + timedelta(days=1)
    with record.database.read() as connection:
        list_gaps(connection, WHOLE, after=write_cursor((moment, number, "", "", "")))
        list_dead_letters(connection, WHOLE, after=write_cursor((moment, number, "", number, 1)))
        list_windows(connection, WHOLE, SICK, after=write_cursor((moment, "", number)))
        list_labels(connection, WHOLE, after=write_cursor((number,)))


@pytest.mark.parametrize(
    "hostile",
    ['["a\\u0000"]', '["\\ud800"]', "[1e400]", "[9223372036854775808]", '[{"t": "0001-01-01"}]'],
)
def test_cursors_that_no_database_could_take_are_refused(hostile: str) -> None:
    cursor = base64.urlsafe_b64encode(hostile.encode()).decode()
    for like in ((str,), (int,), (datetime,), (float,)):
        with pytest.raises(InputError, match="cursor"):
            read_cursor(cursor, like)
