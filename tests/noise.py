"""Windows of noise in the recipe's shapes, and bundles with untrained weights: for laws that hold
whatever the weights are."""

import atexit
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import torch

from mmindustry.domain import Features, Profile, WindowKey
from mmindustry.features.spec import MODALITIES, Recipe
from mmindustry.fusion.bundle import ARRAYS, CARD, MODEL, WEIGHTS, write_bundle
from mmindustry.fusion.calibration import PATTERNS, Calibration
from mmindustry.fusion.export import export_onnx
from mmindustry.fusion.manifest import Manifest
from mmindustry.fusion.network import Network
from mmindustry.fusion.spec import INPUTS, NetworkSpec
from mmindustry.fusion.weights import arrays_of, pack

START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
FAULTS = ("healthy", "bearing_outer", "belt_slip", "seal_leak")
PRODUCTS = ("good", "scratch", "dent")


def noise_spec(fusion: str = "late") -> NetworkSpec:
    return NetworkSpec(
        recipe=Recipe(), faults=FAULTS, products=PRODUCTS, gauges={"bar": 3.0}, fusion=fusion
    )


def noise_features(
    seed: int,
    *,
    present: tuple[bool, bool, bool] = (True, True, True),
    bundle: str = "",
    profile: Profile | None = None,
) -> Features:
    """Return one window of noise; what is not present has empty masks."""
    rng = np.random.default_rng(seed)
    shapes = noise_spec().recipe.shapes()
    arrays = {}
    for name in INPUTS:
        shape, dtype = shapes[name]
        if dtype == "int32":
            arrays[name] = rng.integers(0, noise_spec().recipe.vocabulary, shape, np.int32)
        elif name.endswith(("_mask", "_known")):
            arrays[name] = (rng.random(shape) < 0.7).astype(np.float32)
        else:
            arrays[name] = rng.random(shape, np.float32)
    arrays["present"] = np.array(present, np.float32)
    arrays["quality"] = (arrays["quality"] * 0.5 + 0.5) * arrays["present"]
    for modality, there in zip(MODALITIES, present, strict=True):
        mask = arrays[f"{modality}_mask"]
        mask[...] = mask * there
        mask[-1] = float(there)
    start = START + timedelta(seconds=4 * seed)
    return Features(
        window=WindowKey("plant/hall/line/pump", "w4", start),
        end=start + timedelta(seconds=4),
        bundle=bundle,
        arrays=arrays,
        present=dict(zip(MODALITIES, present, strict=True)),
        quality=dict(zip(MODALITIES, arrays["quality"].tolist(), strict=True)),
        profile=profile,
    )


def noise_manifest(fusion: str = "late", name: str = "noise") -> Manifest:
    rising = {pattern: 1.0 + 0.1 * at for at, pattern in enumerate(PATTERNS)}
    return Manifest(
        name=name,
        spec=noise_spec(fusion),
        prior={"healthy": 0.7, "bearing_outer": 0.1, "belt_slip": 0.1, "seal_leak": 0.1},
        thresholds={"bearing_outer": {"on": 0.6, "off": 0.4}},
        calibration=Calibration(rising),
        data_hash="0" * 64,
        command="none: untrained",
    )


@cache
def noise_contents(fusion: str = "late", seed: int = 5) -> dict[str, bytes]:
    """Return the files of a bundle whose weights are drawn from `seed`."""
    torch.manual_seed(seed)
    manifest = noise_manifest(fusion)
    network = Network(manifest.spec, list(manifest.prior.values()))
    for module in network.modules():  # statistics as after training
        if isinstance(module, torch.nn.BatchNorm2d):
            for buffer, low, high in (("running_mean", -0.2, 0.2), ("running_var", 0.5, 1.5)):
                torch.nn.init.uniform_(module.get_buffer(buffer), low, high)
    return {
        WEIGHTS: pack(arrays_of(network.eval())),
        MODEL: export_onnx(network),
        ARRAYS: pack({"mel_basis": np.ones((64, 257), np.float32)}),
        CARD: b"# noise\n",
    }


@cache
def noise_bundle(fusion: str = "late") -> Path:
    """Return the folder of a bundle with untrained weights; gone when the tests end."""
    root = Path(tempfile.mkdtemp(prefix="mmindustry-noise-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    write_bundle(root / fusion, noise_manifest(fusion), noise_contents(fusion))
    return root / fusion
