"""A tiny `train --simulated`, as a person would run it, and a profile made with its bundle."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mmindustry.domain import Modality, Prediction
from mmindustry.errors import InputError
from mmindustry.features.build import build_features
from mmindustry.features.part import Guard
from mmindustry.features.spec import BASELINE, MEL_BASIS
from mmindustry.features.spectra import Basis
from mmindustry.fusion.bundle import read_bundle
from mmindustry.fusion.policy import FusionPolicy
from mmindustry.fusion.predictor import open_predictor
from mmindustry.simulate.windows import labelled_windows
from mmindustry.training.policy import ProfilePolicy
from mmindustry.training.profile import ProfileMaker
from mmindustry.training.results import plain
from tests.held_normal import HeldNormal


@dataclass(frozen=True)
class Made:
    folder: Path
    stdout: str
    report: dict[str, object]


def mmindustry(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mmindustry", *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=280,
        env={**os.environ, **environment},
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    root = tmp_path_factory.mktemp("train")
    sizes = ["--windows", "180", "--machines", "9", "--epochs", "2", "--workers", "1"]
    found = mmindustry(
        "train", "--simulated", *sizes, "--out", str(root / "b"), "--work", str(root / "w"),
        "--json",
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    return Made(root / "b", found.stdout, json.loads(found.stdout))


def test_the_figures_and_the_bundle_are_there(made: Made) -> None:
    bundle = read_bundle(made.folder)
    metrics = bundle.manifest.metrics

    assert made.report["bundle"] == bundle.id
    assert made.report["metrics"] == plain(metrics, digits=17)  # null for what is no number
    wanted = {"fused", "image", "audio", "text", "chance", "shuffled_pairing", "permuted_labels"}
    assert wanted <= set(metrics["macro_f1"])
    assert len(metrics["ece"]) == 7
    assert bundle.manifest.command.startswith("mmindustry train --simulated")
    assert "macro-F1" in bundle.card
    assert bundle.arrays[MEL_BASIS].shape == (64, 257)
    assert len(bundle.weights) + len(bundle.model) < 8 * 2**20


def test_a_bundle_is_never_trained_over(made: Made) -> None:
    found = mmindustry("train", "--simulated", "--out", str(made.folder))

    assert found.returncode == 65
    assert "exists already" in found.stderr


def test_what_can_not_be_trained_is_refused_before_anything_is_trained(made: Made) -> None:
    work = made.folder.parent
    sizes = ["--windows", "180", "--machines", "9", "--workers", "1", "--work", str(work / "w")]
    out = ["--out", str(work / "none"), "--checkpoint", str(work / "c")]
    foreign = work / "foreign.pth"
    foreign.write_text("no weights")

    folds = mmindustry("train", "--simulated", *sizes, *out, "--folds", "50")
    weights = mmindustry(
        "train", "--simulated", *sizes, *out, "--encoder", "image=resnet18",
        "--weights", f"image.resnet18=local:{foreign}",
    )  # fmt: skip

    for refused, reason in ((folds, "50 folds"), (weights, "foreign.pth")):
        assert refused.returncode == 65, refused.stderr
        assert reason in refused.stderr
        assert "epoch" not in refused.stderr
        assert "simulated" not in refused.stderr


def test_bundles_are_listed_verified_and_shown(made: Made) -> None:
    listed = mmindustry("bundles", "list", str(made.folder.parent), "--json")
    shown = mmindustry("bundles", "show", str(made.folder))
    verified = mmindustry("bundles", "verify", str(made.folder))

    assert json.loads(listed.stdout)["bundle"] == made.report["bundle"]
    assert "On machines it has never met" in shown.stdout
    assert verified.returncode == 0
    assert "good" in verified.stdout


def test_a_damaged_bundle_exits_65_and_says_which_file(made: Made, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in made.folder.iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    (broken / "model.onnx").write_bytes(b"x")

    found = mmindustry("bundles", "verify", str(broken), "--json")

    assert found.returncode == 65
    assert "model.onnx" in json.loads(found.stdout)["error"]


def test_train_without_torch_names_the_extra(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u\n"
        "real = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'torch' else real(name, *a)\n"
    )

    found = mmindustry("train", "--simulated", PYTHONPATH=f"{tmp_path}{os.pathsep}{Path.cwd()}")

    assert found.returncode == 69
    assert "extra 'torch'" in found.stderr


def test_a_profile_tells_a_stranger_from_the_assets_own_normal(made: Made) -> None:
    bundle = read_bundle(made.folder)
    recipe = bundle.manifest.spec.recipe
    basis = Basis.of(recipe, bundle.arrays[MEL_BASIS])
    predictor = open_predictor(made.folder, FusionPolicy(device="cpu"))
    windows = [w for w in labelled_windows(320, 4242, assets=1) if w.truth.fault == "healthy"]
    pairs = [(one.window, one.context) for one in windows]
    maker = ProfileMaker(
        predictor=predictor, recipe=recipe, basis=basis, policy=ProfilePolicy(least_windows=40)
    )
    asset = pairs[0][0].key.asset
    (camera,) = {i.source for w, _ in pairs for i in w.items if i.modality is Modality.IMAGE}

    profile = maker.make(asset, HeldNormal(pairs), version=1)

    assert profile.bundle == predictor.bundle
    assert profile.arrays[f"{BASELINE}/{camera}"].shape == (96, 96)
    other = next(iter(labelled_windows(1, 99, assets=1)))
    context = replace(other.context, profile=profile)
    features, _ = build_features(other.window, context, recipe, basis=basis, guard=Guard())
    stranger = predictor.predict([features])[0]
    assert isinstance(stranger, Prediction)
    assert stranger.profile == profile.id
    assert min(stranger.novelty.values()) < 0.1
    with pytest.raises(InputError, match="too few"):
        maker.make(asset, HeldNormal(pairs[:10]), version=2)
    with pytest.raises(InputError, match="say nothing of"):
        maker.make("another/asset", HeldNormal(pairs), version=2)
