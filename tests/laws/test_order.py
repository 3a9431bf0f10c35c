"""Law 3: the order of arrival within the grace changes no evidence."""

from collections.abc import Sequence
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from mmindustry.domain import Arrival, Claim, Event, Modality, Sensor
from mmindustry.testing import ASSET, BEGINNING, make_event
from mmindustry.windowing.assembler import Assembler
from mmindustry.windowing.policy import WindowPolicy

SOURCES = {"cam": Modality.IMAGE, "mic": Modality.AUDIO, "mic-2": Modality.AUDIO}
POLICY = WindowPolicy(
    length_seconds=4.0, hop_seconds=2.0, grace_seconds=2.0, max_wait_seconds=600.0
)
LAST = 60.0


def assemble(events: Sequence[Event]) -> dict[object, list[object]]:
    """Return start -> identities, adding the events one poll each in the order given."""
    assembler = Assembler(POLICY)
    sensors = tuple(Sensor(source=s, asset=ASSET, modality=m) for s, m in SOURCES.items())
    assembler.restore(Claim(partition=0, epoch=1, progress=None, sensors=sensors))
    found: dict[object, list[object]] = {}
    for step, event in enumerate(events):
        assert assembler.add([event]) == [], "nothing within the grace is late"
        clock = BEGINNING + timedelta(milliseconds=step)
        windows, _ = assembler.close({0: Arrival(clock, ready=True, read_through={})})
        for window in windows:
            assert window.key.start not in found, "law 2: closed twice"
            found[window.key.start] = [item.identity for item in window.items]
    return found


def plans() -> st.SearchStrategy[list[tuple[str, float, float]]]:
    """Draw (source, time, delay): delays stay within the grace less a chunk's length."""
    one = st.tuples(
        st.sampled_from(sorted(SOURCES)),
        st.floats(0, 40, allow_nan=False).map(lambda t: round(t, 2)),
        st.floats(0, 1.4, allow_nan=False).map(lambda t: round(t, 2)),
    )
    return st.lists(one, max_size=60)


@given(plans())
def test_arrival_order_within_grace_changes_no_evidence(
    plan: list[tuple[str, float, float]],
) -> None:
    events = [
        make_event(SOURCES[s], t, source=s, id=str(i), offset=i, seconds=0.5)
        for i, (s, t, _) in enumerate(plan)
    ]
    ends = [make_event(m, LAST, source=s, id="end", offset=999) for s, m in SOURCES.items()]
    delays = dict(zip((e.identity for e in events), (d for *_, d in plan), strict=True))
    ordered = sorted(events, key=lambda e: e.time)
    shuffled = sorted(events, key=lambda e: e.time + timedelta(seconds=delays[e.identity]))

    assert assemble([*ordered, *ends]) == assemble([*shuffled, *ends])
