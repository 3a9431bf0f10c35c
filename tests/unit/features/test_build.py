import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmindustry.domain import Chunk, Context, Event, Failed, Features, Frame, OperatingState
from mmindustry.features.build import card_array, operating_point
from mmindustry.features.part import Guard, choose
from tests.unit.features import material as m

ENTRY = m.entry("brg noisy DE 轴承异响")


class Diary:
    """A marker that keeps what it was told, and condemns what it is told to."""

    def __init__(self, condemned: str = "") -> None:
        self.held: list[str] = []
        self.doomed = condemned

    @contextmanager
    def _hold(self, item: str) -> Iterator[None]:
        self.held.append(f"+{item}")
        yield
        self.held.append(f"-{item}")

    hold = _hold

    def condemned(self, item: str) -> bool:
        return item == self.doomed


def _shaped(built: Features) -> None:
    shapes = m.RECIPE.shapes()
    assert set(built.arrays) == set(shapes)
    for name, (shape, dtype) in shapes.items():
        assert built.arrays[name].shape == shape, name
        assert built.arrays[name].dtype == dtype, name
        assert np.isfinite(built.arrays[name]).all(), name


MEDIA = {
    "image": m.frames(3),
    "audio": m.sound(m.noise(4)),
    "text": [],
}


@pytest.mark.parametrize(
    "there", [("image",), ("audio",), ("text",), ("image", "audio"), ("image", "audio", "text")]
)
def test_arrays_have_the_shapes_of_the_recipe_whatever_is_missing(there: tuple[str, ...]) -> None:
    context = Context(card=m.CARD, entries=(ENTRY,) if "text" in there else ())

    built = m.features([item for name in there for item in MEDIA[name]], context)

    _shaped(built)
    assert built.present == {name: name in there for name in ("image", "audio", "text")}
    assert built.arrays["present"].tolist() == [name in there for name in built.present]


def test_missing_modality_changes_only_its_own_arrays() -> None:
    context = Context(card=m.CARD, entries=(ENTRY,))

    both = m.features([*MEDIA["image"], *MEDIA["audio"]], context)
    deaf = m.features(MEDIA["image"], context)

    for name, array in both.arrays.items():
        if not name.startswith("audio_") and name not in {"present", "quality"}:
            assert np.array_equal(array, deaf.arrays[name]), name


def test_same_window_gives_the_same_arrays_bit_for_bit() -> None:
    context = Context(card=m.CARD, entries=(ENTRY,))
    items = [*MEDIA["image"], *MEDIA["audio"]]

    first, second = m.features(items, context), m.features(items, context)

    for name, array in first.arrays.items():
        assert array.tobytes() == second.arrays[name].tobytes()


def test_window_whose_every_item_is_unreadable_is_blind() -> None:
    bad = m.event(Frame(b"\xff\xd8nonsense\xff\xd9", "image/jpeg", 640, 480), 1.0)

    built, unreadable = m.build([bad], Context(entries=(ENTRY,), bundle="b1"))

    assert isinstance(built, Failed)
    assert (built.stage, built.reason, built.bundle) == ("build", "blind", "b1")
    assert [u.reason for u in unreadable] == ["image_corrupt"]


def test_window_with_nothing_to_judge_by_is_empty() -> None:
    built, unreadable = m.build([])

    assert isinstance(built, Failed)
    assert built.reason == "empty"
    assert not unreadable


def test_dead_microphone_alone_is_still_a_window_with_its_finding() -> None:
    built = m.features(m.sound(np.zeros(64_000)))

    assert built.findings == (("microphone_silent", "mic"),)
    assert not any(built.present.values())


def test_bad_items_are_handed_back_while_the_good_ones_speak() -> None:
    broken = Chunk(b"RIFFxxxxWAVEjunk", "audio/wav", 16_000, 1, 16_000)
    nan = m.file_chunk(np.full(16_000, np.nan), "WAV", "FLOAT")
    items = [m.event(broken, 1.0, source="mic-b"), m.event(nan, 2.0, source="mic-c")]

    built, unreadable = m.build([*items, *MEDIA["image"], *MEDIA["audio"]])

    assert isinstance(built, Features)
    assert {u.item.source: u.reason for u in unreadable} == {
        "mic-b": "audio_corrupt",
        "mic-c": "audio_not_finite",
    }
    assert built.present["audio"]
    assert built.present["image"]


def test_marker_is_held_around_each_decoding_and_names_the_item() -> None:
    diary = Diary()
    items = [*m.frames(2), *m.sound(m.noise(2))]

    m.build(items, guard=Guard(marker=diary))

    names = ["/".join(map(str, item.position)) for item in items]
    assert sorted(diary.held) == sorted(f"{sign}{name}" for name in names for sign in "+-")
    assert all(a[1:] == b[1:] for a, b in zip(diary.held[::2], diary.held[1::2], strict=True))


def test_condemned_item_is_never_decoded_again() -> None:
    items = m.frames(3)
    doomed = "/".join(map(str, items[1].position))
    diary = Diary(condemned=doomed)

    built, unreadable = m.build(items, guard=Guard(marker=diary))

    assert isinstance(built, Features)
    assert [(u.item.id, u.reason) for u in unreadable] == [(items[1].id, "crash_loop")]
    assert f"+{doomed}" not in diary.held


def _state(seconds: float, **told: float | bool) -> Event:
    return m.event(OperatingState(**told), seconds)  # type: ignore[arg-type]  # keywords vary


def test_operating_point_is_what_the_window_was_told() -> None:
    window = m.window([])
    states = [
        _state(-5.0, running=True, speed_rpm=900.0, load_ratio=0.4),
        _state(2.0, speed_rpm=1400.0),
        _state(8.0, speed_rpm=1600.0, running=False),
        _state(11.0, running=True, speed_rpm=3000.0),
    ]

    told = operating_point(window, states)

    assert told == OperatingState(running=False, speed_rpm=1500.0, load_ratio=0.4)
    assert operating_point(window, []) == OperatingState()


def test_unknown_operating_point_is_not_zero() -> None:
    unknown = m.features(MEDIA["image"]).arrays["operating"]
    stopped = m.features(
        MEDIA["image"], Context(states=(_state(1.0, running=False, speed_rpm=0.0),))
    )

    assert unknown.tolist() == [0, 0, 0, 0, 0, 0]
    assert stopped.arrays["operating"].tolist() == [0, 0, 0, 1, 0, 1]
    assert stopped.running is False


def test_papers_are_figures_beside_their_validity() -> None:
    assert not card_array(None).any()
    assert card_array(m.CARD)[:2] == pytest.approx([0.6, 1.0])
    assert card_array(m.CARD)[3] == pytest.approx(9 / 16)


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=60), st.integers(1, 8))
def test_choice_is_sorted_distinct_and_holds_the_newest(millis: list[int], slots: int) -> None:
    times = [
        m.START.replace(microsecond=0) + k * (m.END - m.START) / 10_000 for k in sorted(millis)
    ]

    chosen = choose(times, slots)

    assert len(chosen) == min(len(times), slots)
    assert chosen == sorted(set(chosen))
    assert chosen[-1] == len(times) - 1


@given(st.data())
def test_no_media_whatever_makes_the_builder_raise(data: st.DataObject) -> None:
    good = [*m.frames(1), *m.sound(m.noise(1))]
    item = data.draw(st.sampled_from(good))
    content = item.content
    assert isinstance(content, Frame | Chunk)
    payload = bytearray(content.payload)
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    payload = payload[: data.draw(st.integers(0, len(payload)))]

    built, unreadable = m.build([replace(item, content=replace(content, payload=bytes(payload)))])

    assert isinstance(built, Features | Failed)
    assert len(unreadable) <= 1


def test_memory_stays_flat_over_bad_media() -> None:
    bad = m.jpeg(m.picture(3))
    items = [m.event(replace(bad, payload=bad.payload[:9_000]), k / 10) for k in range(50)]
    m.build(items)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    for _ in range(20):
        m.build(items)

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024


def test_serving_features_import_neither_librosa_nor_torch() -> None:
    script = (
        "import sys, mmindustry.features.build\n"
        "heavy = {'librosa', 'torch', 'scipy.signal', 'scipy.ndimage', 'soxr'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )

    shown = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert shown.stdout.strip() == "[]"
