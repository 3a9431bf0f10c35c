"""Law 10, and that the alarm fold knows nothing of batches, crashes and other assets."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from mmindustry.alerting.policy import AlertingPolicy
from mmindustry.domain import AlarmTransition, Change, Failed, Gap, Prediction
from tests.unit.alerting import material as m

POLICY = AlertingPolicy(on_probability=0.6, off_probability=0.45, shadow_hours=0.02)
LIMITS = {"budget": 50.0, "drift": 1.5, "step_seconds": 20.0, "cusum_audio": 6.0}
PROFILES: tuple[tuple[str, dict[str, float]], ...] = (("v1", {}), ("v2", LIMITS), ("v2", LIMITS))
FINDINGS = ((), (("camera_frozen", "cam"),), (("source_missing", "mic"),))


@st.composite
def band(draw: st.DrawFn) -> list[float]:
    """Scores that swing within the hysteresis band, its upper edge included."""
    return draw(st.lists(st.floats(0.45, 0.6), min_size=1, max_size=60))


@st.composite
def lives(draw: st.DrawFn) -> list[Prediction | Failed]:
    """Windows of two assets with everything that may happen to them, in order of their ends."""
    windows: list[Prediction | Failed] = []
    for number in range(draw(st.integers(1, 40))):
        for asset in ("s/a/l/m1", "s/a/l/m2"):
            if draw(st.integers(0, 9)) == 0:
                windows.append(m.failed(number, asset=asset))
                continue
            bad = draw(st.floats(0, 1))
            profile, limits = draw(st.sampled_from(PROFILES))
            made = m.prediction(
                number,
                draw(st.sampled_from((0.0, 0.3, 0.5, 0.7, 0.95))),
                asset=asset,
                findings=draw(st.sampled_from(FINDINGS)),
                running=draw(st.sampled_from((None, True, True, False))),
                product={"good": 1 - bad, "scratch": bad},
                novelty={"audio": draw(st.sampled_from((0.0001, 0.01, 0.5, 1.0)))},
                profile=profile,
            )
            windows.append(replace(made, limits=limits))
    return windows


def _gap_story(draw: st.DataObject) -> list[Gap]:
    ended = draw.draw(st.one_of(st.none(), st.floats(1, 1e5)))
    began = [m.quiet(), m.quiet("cam")]
    return began if ended is None else [*began, m.quiet(ended=ended)]


@given(band(), st.lists(st.booleans(), min_size=60, max_size=60))
def test_score_oscillating_inside_the_hysteresis_band_raises_at_most_one_alarm(
    scores: list[float], crashes: list[bool]
) -> None:
    record = m.Record(POLICY)

    for number, score in enumerate(scores):
        record.scores(score, first=number)
        if crashes[number]:
            record.crash()

    assert len(record.transitions) <= 1
    assert all(change.change is Change.RAISED for change in record.transitions)


@given(band(), st.integers(0, 60))
def test_alarm_that_stands_is_kept_by_a_score_inside_the_band(
    scores: list[float], crash: int
) -> None:
    record = m.Record(POLICY)
    record.scores(0.9, 0.9, 0.9)

    for number, score in enumerate(scores, start=3):
        record.scores(score, first=number)
        if number == crash:
            record.crash()

    assert len(record.transitions) == 1


def _order(transitions: list[AlarmTransition]) -> list[AlarmTransition]:
    return sorted(transitions, key=lambda t: (t.at, t.key, t.change))


@given(lives(), st.data())
def test_fold_gives_the_same_however_it_is_split_and_wherever_it_crashes(
    windows: list[Prediction | Failed], data: st.DataObject
) -> None:
    gaps = _gap_story(data)
    whole, split = m.Record(), m.Record()
    whole.fold(windows, gaps)

    at = 0
    while at < len(windows):
        size = data.draw(st.integers(1, 12))
        split.fold(windows[at : at + size])
        at += size
        if data.draw(st.booleans()):
            split.crash()
    for gap in gaps:
        split.fold(gaps=[gap])
        split.crash()

    assert _order(split.transitions) == _order(whole.transitions)
    assert split.states == whole.states


@given(lives())
def test_alarms_of_one_asset_know_nothing_of_another(windows: list[Prediction | Failed]) -> None:
    both, alone = m.Record(), m.Record()
    mine = [item for item in windows if item.window.asset == m.ASSET]

    both.fold(windows)
    alone.fold(mine)

    assert [t for t in both.transitions if t.key.asset == m.ASSET] == alone.transitions


@given(lives())
def test_every_clear_follows_its_raise_and_no_fault_is_raised_twice_at_once(
    windows: list[Prediction | Failed],
) -> None:
    record = m.Record()

    record.fold(windows)

    active: set[tuple[str, str, str]] = set()
    seen: set[tuple[str, Change]] = set()
    for change in record.transitions:
        name = (
            change.key.asset,
            change.key.fault,
            change.source if "sensor" in change.key.fault else "",
        )
        assert (change.key.id, change.change) not in seen
        seen.add((change.key.id, change.change))
        assert (name in active) is (change.change is Change.CLEARED)
        active ^= {name}


@given(lives(), st.data())
def test_revisions_change_no_alarm_that_is_not_marked_late(
    windows: list[Prediction | Failed], data: st.DataObject
) -> None:
    plain, revised = m.Record(), m.Record()
    plain.fold(windows)

    for number, window in enumerate(windows):
        revised.fold([window])
        if data.draw(st.integers(0, 4)) == 0:
            mine = [w for w in windows[: number + 1] if w.window.asset == window.window.asset]
            before = len(revised.transitions)
            revised.revise(mine[-5:])
            assert all(t.change is Change.RAISED for t in revised.transitions[before:])
            revised.crash()

    assert [t for t in revised.transitions if not t.late] == plain.transitions
