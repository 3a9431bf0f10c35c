"""Data sets so small that a training takes a second: one frame, one segment, two entries."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from mmindustry.domain import Features, WindowKey
from mmindustry.features.spec import MODALITIES, Recipe
from mmindustry.fusion.spec import NetworkSpec
from mmindustry.training.dataset import DataSet, Label, write_shard

FAULTS = ("healthy", "bearing_outer", "belt_slip")
PRODUCTS = ("good", "scratch")
START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)


def tiny_recipe() -> Recipe:
    return Recipe(
        segments=1,
        segment_samples=4_096,
        mels=16,
        envelope_bands=8,
        frames=2,
        frame_size=32,
        regions=("gauge", "product"),
        region_size=16,
        entries=2,
        tokens=8,
        word_ids=64,
        ngram_ids=64,
    )


def tiny_spec(fusion: str = "late") -> NetworkSpec:
    return NetworkSpec(
        recipe=tiny_recipe(),
        faults=FAULTS,
        products=PRODUCTS,
        gauges={"bar": 3.0},
        fusion=fusion,
        width=8,
        text_width=4,
        hazard_bins=6,
    )


def tiny_features(seed: int, fault: int) -> Features:
    """Return noise in which orders tell the fault, faintly in one window of three."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for name, (shape, dtype) in tiny_recipe().shapes().items():
        if dtype == "int32":
            arrays[name] = rng.integers(0, 128, shape, np.int32)
        elif name.endswith(("_mask", "_known")):
            arrays[name] = np.ones(shape, np.float32)
        else:
            arrays[name] = rng.random(shape, np.float32)
    arrays["present"] = np.array([1.0, 1.0, float(seed % 5 != 0)], np.float32)
    arrays["quality"] = arrays["present"].copy()
    arrays["audio_orders"][:, fault] += 2.0 if seed % 3 else 0.3
    start = START + timedelta(minutes=10 * (seed // 6))
    present = dict(zip(MODALITIES, (True, True, seed % 5 != 0), strict=True))
    return Features(
        window=WindowKey("plant/pump", "w4", start),
        end=start + timedelta(seconds=4),
        bundle="",
        arrays=arrays,
        present=present,
        quality={m: float(there) for m, there in present.items()},
        profile=None,
    )


def tiny_examples(count: int) -> Iterator[tuple[Features, Label]]:
    for seed in range(count):
        fault = int(np.random.default_rng([seed, 1]).choice(3, p=(0.5, 0.3, 0.2)))
        yield (
            tiny_features(seed, fault),
            Label(
                fault=FAULTS[fault],
                product=PRODUCTS[seed % 2] if seed % 4 else None,
                hours=None if seed % 7 == 0 else 400.0 if fault == 0 else 3.0 * fault,
                failed=fault != 0 and seed % 7 != 0,
                group=f"m{seed % 6}",
                severity=0.0 if fault == 0 else 0.9,
                gauges={"bar": 1.5} if seed % 2 else {},
                begin=(START + timedelta(minutes=10 * (seed // 6))).timestamp(),
            ),
        )


def tiny_data(folder: Path, count: int = 60, fusion: str = "late") -> DataSet:
    shard = write_shard(folder, tiny_spec(fusion), tiny_examples(count), limit=count)
    return DataSet(tiny_spec(fusion), [shard])
