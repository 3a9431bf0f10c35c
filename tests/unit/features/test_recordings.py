"""Features on real recordings and pictures, where the data folder is there."""

import os
from pathlib import Path

import cv2
import pytest
import soundfile

from mmindustry.domain import Chunk, Frame
from tests.promises import missing
from tests.unit.features import material as m

pytestmark = pytest.mark.data


def _files(pattern: str, every: int) -> list[Path]:
    root = os.environ.get("MMINDUSTRY_DATA")
    if not root:
        missing("data", "set MMINDUSTRY_DATA to the folder of the real data")
    found = sorted(Path(root).glob(pattern))[::every]
    assert found, f"no {pattern} under {root}"
    return found


def test_real_motor_recordings_are_heard() -> None:
    for path in _files("audio/**/*.flac", 4):
        facts = soundfile.info(path)
        chunk = Chunk(path.read_bytes(), "audio/flac", facts.samplerate, 1, facts.frames)

        built = m.features([m.event(chunk, 0.0, source="mic")])

        assert built.present["audio"], path.name
        assert ("microphone_silent", "mic") not in built.findings, path.name
        assert built.arrays["audio_mask"].all(), path.name


def test_real_pictures_are_seen() -> None:
    for path in _files("images/**/*.[jp][pn]g", 40):
        height, width = cv2.imread(str(path)).shape[:2]  # type: ignore[union-attr]  # it is there
        frame = Frame(path.read_bytes(), "image/any", width, height)

        built = m.features([m.event(frame, 1.0, source="cam")])

        assert built.present["image"], path.name
        assert built.findings == (), path.name
