"""The example plan over the real recordings: every event of it is readable by the line."""

import os
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mmindustry.domain import Modality
from mmindustry.testing import HandClock
from tests.promises import missing
from tests.unit.gateway.material import Plant

EXAMPLE = Path("deploy/examples/composite.yaml")


@pytest.mark.data
def test_the_example_plan_plays_the_real_recordings(tmp_path: Path) -> None:
    data = Path(os.environ.get("MMINDUSTRY_DATA", "../shared/data"))
    if not data.is_dir():
        missing("data", f"no folder {data}; set MMINDUSTRY_DATA")
    plant = Plant(tmp_path, clock=HandClock(datetime(2026, 3, 2, tzinfo=UTC)))
    for folder in ("images", "audio", "text"):
        (tmp_path / folder).symlink_to((data / folder).resolve())

    report = plant.feed(EXAMPLE.read_text())

    events = plant.events()
    counts = Counter(event.modality for event in events)
    assert report.events == len(events)
    assert counts[Modality.IMAGE] == 69
    assert counts[Modality.TEXT] == 151
    assert counts[Modality.AUDIO] > 100
    assert all(event.flags == () for event in events)
