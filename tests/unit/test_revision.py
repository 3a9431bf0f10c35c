"""Revisions over real pictures and sound: what a broken sensor showed stays what it was."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from typing_extensions import override

from mmindustry.domain import (
    Change,
    Chunk,
    Context,
    DeadLetter,
    Event,
    Evidence,
    Failed,
    Features,
    Frame,
    Media,
    Modality,
    Prediction,
    Window,
    WindowKey,
)
from mmindustry.features.build import build_features
from mmindustry.features.part import Guard
from mmindustry.testing import BEGINNING, FakeArchive, make_event
from mmindustry.windowing.policy import WindowPolicy
from tests.laws.script import Known
from tests.laws.world import ASSETS, Rig, World
from tests.unit.features import material as m

ASSET = ASSETS[0]
WINDOWS = 6
REGISTRY = (Known(0, "cam"), Known(0, "mic"))
BLACK = np.zeros((480, 640, 3), np.uint8)


class Plant(World):
    """A line that looks and listens in earnest; any picture it can use looks faulty to it."""

    @override
    def _build(
        self, name: str, windows: Sequence[Window], contexts: Sequence[Context]
    ) -> tuple[list[Features | Failed], list[DeadLetter]]:
        built = [
            build_features(window, context, m.RECIPE, basis=m.basis(), guard=Guard())
            for window, context in zip(windows, contexts, strict=True)
        ]
        return [features for features, _ in built], []


class LosesPictures(FakeArchive):
    """Its frames can't be read any more."""

    @override
    def read(self, evidence: Sequence[Evidence]) -> list[Media | Failed]:
        lost = Failed(WindowKey("", "", BEGINNING), BEGINNING, "archive", "gone", "")
        read = super().read(evidence)
        return [
            lost if item.modality is Modality.IMAGE else media
            for item, media in zip(evidence, read, strict=True)
        ]


def plant(archive: type[FakeArchive]) -> Plant:
    rig = Rig(archive=archive, score=lambda features: 0.9 if features.present["image"] else 0.1)
    return Plant(WindowPolicy(name="law"), rig=rig, known=REGISTRY)


def item(modality: Modality, at: float, content: Frame | Chunk) -> Event:
    source = f"{ASSET}/{'cam' if modality is Modality.IMAGE else 'mic'}"
    event = make_event(modality, at, asset=ASSET, source=source, id=f"{modality}-{at}")
    end = event.time + timedelta(seconds=1 if modality is Modality.AUDIO else 0)
    return replace(event, content=content, end=end)


def frame(at: float, picture: Frame) -> Event:
    return item(Modality.IMAGE, at, picture)


def sound(at: float) -> Event:
    return item(Modality.AUDIO, at, m.l16(m.noise(1.0, seed=int(at))))


def watched(
    pictures: Sequence[Frame | None],
    *,
    late: Sequence[Event],
    mute: int = -1,
    archive: type[FakeArchive] = FakeArchive,
) -> Plant:
    """Show one picture a window, with sound except in window `mute`; then send what is late."""
    world = plant(archive)
    for number, picture in enumerate(pictures):
        begin = 10.0 * number
        if number != mute:
            world.send(sound(begin + 1))
        if picture is not None:
            world.send(frame(begin + 5, picture))
    world.rest(60)
    for event in late:
        world.send(event)
    world.rest(60)
    return world


def said(world: Plant, number: int) -> list[Prediction]:
    """Return what all revisions said of a window, in order."""
    found = [
        one
        for (key, _), one in sorted(world.database.predictions.items())
        if key.start == start_of(number)
    ]
    return [one for one in found if isinstance(one, Prediction)]


def start_of(number: int) -> datetime:
    return BEGINNING + timedelta(seconds=10 * number)


def test_a_frozen_camera_stays_frozen_when_late_sound_comes() -> None:
    world = watched([m.jpeg(m.picture(1))] * WINDOWS, late=[sound(39)])

    first, revised = said(world, 3)

    assert first.findings == revised.findings == (("camera_frozen", f"{ASSET}/cam"),)
    assert not revised.present["image"]


def test_a_black_camera_stays_black_when_late_sound_comes() -> None:
    world = watched([m.png(BLACK)] * WINDOWS, late=[sound(39)])

    first, revised = said(world, 3)

    assert first.findings == revised.findings
    assert ("camera_black", f"{ASSET}/cam") in revised.findings


def test_a_late_frame_that_is_the_old_picture_again_is_frozen_too() -> None:
    still, pictures = m.jpeg(m.picture(1)), [m.jpeg(m.picture(k)) for k in range(WINDOWS)]
    world = watched([*pictures[:2], still, None, *pictures[4:]], late=[frame(35, still)])

    first, revised = said(world, 3)

    assert first.findings == (("source_missing", f"{ASSET}/cam"),)
    assert revised.findings == (("camera_frozen", f"{ASSET}/cam"),)


def test_a_late_live_frame_thaws_a_window_that_seemed_frozen() -> None:
    world = watched([m.jpeg(m.picture(1))] * WINDOWS, late=[frame(37, m.jpeg(m.picture(2)))])

    first, revised = said(world, 3)

    assert first.findings == (("camera_frozen", f"{ASSET}/cam"),)
    assert revised.findings == ()


@pytest.mark.parametrize(
    ("late", "missing"), [(frame(38, m.jpeg(m.picture(9))), ("mic",)), (sound(38), ())]
)
def test_a_source_stays_missing_until_late_evidence_brings_it(
    late: Event, missing: tuple[str, ...]
) -> None:
    world = watched([m.jpeg(m.picture(k)) for k in range(WINDOWS)], late=[late], mute=3)

    first, revised = said(world, 3)

    absent = tuple(("source_missing", f"{ASSET}/{source}") for source in missing)
    assert first.findings == (("source_missing", f"{ASSET}/mic"),)
    assert revised.findings == absent
    rows = {row.key: row.missing for row in world.database.windows.values()}
    assert rows[revised.window] == tuple(source for _, source in absent)


def test_no_late_alarm_is_raised_on_a_stale_picture() -> None:
    stale = [m.jpeg(m.picture(1))] * WINDOWS

    world = watched(stale, late=[sound(10.0 * number + 9) for number in range(1, WINDOWS)])

    assert all(len(said(world, number)) > 1 for number in range(1, WINDOWS))
    assert [t for t in world.database.transitions if t.key.fault == "bearing"] == []


def test_a_late_alarm_is_raised_on_live_pictures() -> None:
    late = [frame(10.0 * number + 9, m.jpeg(m.picture(number))) for number in range(1, WINDOWS)]

    world = watched([None] * WINDOWS, late=late)

    raised = [t for t in world.database.transitions if t.key.fault == "bearing"]
    assert [(t.change, t.late) for t in raised] == [(Change.RAISED, True)]


def test_a_window_whose_own_evidence_is_gone_keeps_its_judgement() -> None:
    pictures = [m.jpeg(m.picture(k)) for k in range(WINDOWS)]

    world = watched(pictures, late=[sound(39)], archive=LosesPictures)

    assert len(said(world, 3)) == 1
    (late,) = world.database.late
    assert world.database.given_up == {(late, start_of(3))}
