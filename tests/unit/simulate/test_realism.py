"""The simulator beside real recordings and real work orders, where they are at hand."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mmindustry.simulate.machine import draw_fleet
from mmindustry.simulate.microphone import Listener
from mmindustry.simulate.notes import history
from mmindustry.simulate.policy import SimulatePolicy
from mmindustry.simulate.seeds import generator
from mmindustry.simulate.situation import Situation
from tests.promises import missing

pytestmark = pytest.mark.data

Pairs = list[list[tuple[str, str]]]


def folder(name: str) -> Path:
    path = Path(os.environ.get("MMINDUSTRY_DATA", "../shared/data")) / name
    if not path.is_dir():
        missing("data", f"{path} is not there; set MMINDUSTRY_DATA")
    return path


def real_lines() -> Pairs:
    """Return MaintNorm's lines as (raw, normalised) tokens."""
    found: Pairs = []
    for path in sorted(folder("text/maintnorm").rglob("*train*")):
        for block in path.read_text(encoding="utf-8").split("\n\n"):
            pairs = [row.split("\t") for row in block.splitlines() if "\t" in row]
            if pairs:
                found.append([(raw, clean) for raw, clean, *_ in pairs])
    return found


def simulated_lines() -> Pairs:
    fleet = draw_fleet(SimulatePolicy(seed=3, assets=120))
    situation = Situation(fault="seal_leak", severity=0.9, speed_rpm=1400, load_ratio=0.7)
    entries = [
        line.entry
        for machine in fleet
        for line in history(machine, situation, 86_400.0, generator("real", machine.number))
    ]
    return [
        list(zip(entry.text.split(), entry.clean.split(), strict=True))
        for entry in entries
        if entry.language == "en"
    ]


def test_work_orders_look_like_real_ones() -> None:
    def figures(lines: Pairs) -> dict[str, float]:
        lengths = [len(line) for line in lines]
        tokens = [pair for line in lines for pair in line]
        return {
            "tokens": float(np.mean(lengths)),
            "longest": float(np.percentile(lengths, 95)),
            "characters": float(np.mean([len(raw) for raw, _ in tokens])),
            "numbers": float(np.mean([any(c.isdigit() for c in raw) for raw, _ in tokens])),
        }

    real, made = figures(real_lines()), figures(simulated_lines())

    assert made["tokens"] == pytest.approx(real["tokens"], abs=0.8)
    assert made["longest"] == pytest.approx(real["longest"], abs=1.5)
    assert made["characters"] == pytest.approx(real["characters"], abs=1.2)
    assert made["numbers"] == pytest.approx(real["numbers"], abs=0.12)


def kurtosis(sound: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    scaled = sound / sound.std()
    return float(np.mean(scaled**4))


def test_a_bad_bearing_is_as_spiky_as_real_ones_are_and_no_more() -> None:
    policy = SimulatePolicy(seed=3, assets=12)
    situation = Situation(fault="bearing_outer", severity=0.7, speed_rpm=1400, load_ratio=0.7)
    made = [
        kurtosis(Listener(machine, policy).hear(situation, 4.0).astype(float))
        for machine in draw_fleet(policy)
    ]
    recordings = sorted(folder("audio/bldc").glob("Bearing_*.flac"))
    real = [kurtosis(np.asarray(soundfile.read(path)[0], float)) for path in recordings]

    assert recordings
    assert np.median(made) > 2.8
    assert np.median(made) < max(12.0, 3 * float(np.max(real)))
