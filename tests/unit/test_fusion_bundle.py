"""Bundles: whole or not at all, checked byte by byte, refused with the reason."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mmindustry.errors import BundleError, ConfigError
from mmindustry.features.spec import Recipe
from mmindustry.fusion.bundle import (
    MANIFEST,
    MODEL,
    WEIGHTS,
    builtin_bundle,
    check_window_length,
    list_bundles,
    read_bundle,
    read_manifest,
    write_bundle,
)
from mmindustry.fusion.fusions import make_fusion
from mmindustry.fusion.fusions.shape import FusionShape
from mmindustry.fusion.manifest import Manifest
from mmindustry.fusion.network import Network
from mmindustry.fusion.spec import NetworkSpec
from mmindustry.fusion.weights import fill, pack, unpack
from tests.noise import noise_bundle, noise_contents, noise_features, noise_manifest, noise_spec


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(noise_bundle(), tmp_path / "bundle")
    return tmp_path / "bundle"


def edited(folder: Path, **changes: object) -> None:
    document = json.loads((folder / MANIFEST).read_text("utf-8"))
    (folder / MANIFEST).write_text(json.dumps({**document, **changes}), "utf-8")


@pytest.mark.parametrize("name", [WEIGHTS, MODEL, "arrays.safetensors", "card.md"])
def test_one_changed_byte_is_found_and_named(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)

    with pytest.raises(BundleError, match=f"{name}: damaged"):
        read_bundle(folder)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / MODEL).unlink()

    with pytest.raises(BundleError, match=r"model\.onnx: missing"):
        read_bundle(folder)


def test_a_changed_manifest_is_found_though_its_files_are_whole(folder: Path) -> None:
    edited(folder, thresholds={"bearing_outer": {"on": 0.01, "off": 0.01}})

    with pytest.raises(BundleError, match="was changed"):
        read_manifest(folder)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"format": 2}, "format 2"),
        ({"prior": {"healthy": 1.0}}, "prior"),
        ({"thresholds": {"healthy": {"on": 0.5, "off": 0.5}}}, "no faults"),
        ({"thresholds": {"seal_leak": {"on": 0.2, "off": 0.5}}}, "off <= on"),
        ({"calibration": {}}, "temperatures"),
        ({"network": {}}, "recipe is missing"),
        ({"prior": None}, "bundle.json"),
    ],
)
def test_a_manifest_that_fits_no_network_says_what_is_wrong(
    folder: Path, changes: dict[str, object], what: str
) -> None:
    edited(folder, **changes)

    with pytest.raises(BundleError, match=what):
        read_manifest(folder)


def test_a_manifest_that_is_no_json_object_is_refused(folder: Path) -> None:
    (folder / MANIFEST).write_text("[1]", "utf-8")
    with pytest.raises(BundleError, match="JSON object"):
        read_manifest(folder)

    (folder / MANIFEST).write_text("{", "utf-8")
    with pytest.raises(BundleError, match="not JSON"):
        read_manifest(folder)


def test_an_exported_model_names_no_file_of_the_disk_it_was_made_on() -> None:
    shipped = [path.read_bytes() for path in builtin_bundle().glob("*.onnx")]

    assert len(shipped) == 2
    for content in (noise_contents()[MODEL], *shipped):
        assert b".py" not in content
        assert b"stack_trace" not in content


def test_a_bundle_is_never_written_over_unless_asked(tmp_path: Path) -> None:
    target = tmp_path / "b"
    first = write_bundle(target, noise_manifest(), noise_contents())

    with pytest.raises(BundleError, match="exists already"):
        write_bundle(target, noise_manifest(), noise_contents())
    other = write_bundle(target, noise_manifest(name="other"), noise_contents(), replace=True)

    assert first != other
    assert read_bundle(target).id == other
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_a_bundle_without_all_its_files_leaves_nothing_behind(tmp_path: Path) -> None:
    contents = {k: v for k, v in noise_contents().items() if k != MODEL}

    with pytest.raises(BundleError, match=r"model\.onnx"):
        write_bundle(tmp_path / "b", noise_manifest(), contents)

    assert list(tmp_path.iterdir()) == []


def test_the_same_content_has_the_same_id() -> None:
    sealed = noise_manifest().sealed(noise_contents())

    assert sealed.id == read_bundle(noise_bundle()).id
    assert Manifest.from_json(json.loads(sealed.to_bytes())) == sealed
    assert replace(sealed, command="another").content_id() != sealed.id


def test_list_finds_bundles_and_only_those(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "empty").mkdir()

    assert list_bundles(tmp_path) == [folder]
    assert list_bundles(folder) == [folder]
    assert list_bundles(tmp_path / "nowhere") == []


def test_a_window_length_it_was_not_trained_for_is_a_config_error() -> None:
    check_window_length(noise_manifest(), 10.0)

    with pytest.raises(ConfigError, match="trained for 4 s or 10 s"):
        check_window_length(noise_manifest(), 60.0)


def test_weights_of_another_network_are_refused() -> None:
    network = Network(noise_spec(), [0.25] * 4)
    weights = unpack(noise_contents()[WEIGHTS], "w")

    with pytest.raises(BundleError, match="do not fit"):
        fill(network, {"stranger": np.zeros(3, np.float32)})
    fill(network, weights)
    with pytest.raises(BundleError, match="not a readable safetensors"):
        unpack(b"{}", "w")
    assert pack(weights) == noise_contents()[WEIGHTS]


def test_an_unknown_fusion_is_refused_with_those_known() -> None:
    with pytest.raises(BundleError, match=r"known are .*concat.*late"):
        make_fusion("magic", FusionShape(3, 8, 2, 0.0, 5))


@pytest.mark.parametrize(
    "wrong",
    [
        {"faults": ("bearing_outer",)},
        {"faults": ("healthy", "healthy")},
        {"products": ("scratch",)},
        {"hazard_bins": 1},
        {"hazard_last_hours": 0.1},
    ],
)
def test_a_spec_that_could_answer_nothing_is_refused(wrong: dict[str, object]) -> None:
    good = {"recipe": Recipe(), "faults": ("healthy", "x"), "products": ("good",)}

    with pytest.raises(ValueError, match="must"):
        NetworkSpec(**{**good, **wrong})  # type: ignore[arg-type]  # wrong on purpose
    document = {**noise_spec().to_json(), **wrong}
    with pytest.raises(BundleError, match="must"):
        NetworkSpec.from_json(document)


def test_spec_survives_json_and_refuses_unknown_keys() -> None:
    document = json.loads(json.dumps(noise_spec().to_json()))

    assert NetworkSpec.from_json(document) == noise_spec()
    with pytest.raises(BundleError, match="unknown keys"):
        NetworkSpec.from_json({**document, "magic": 1})


def test_every_parameter_learns_something() -> None:
    for fusion in ("late", "concat"):
        network = Network(noise_spec(fusion), [0.25] * 4)
        items = [noise_features(seed) for seed in range(4)]
        arrays = {
            name: torch.from_numpy(np.stack([item.arrays[name] for item in items]))
            for name in items[0].arrays
        }
        answer = network(arrays)
        sum(part.square().sum() for part in answer).backward()

        idle = [
            name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()
        ]
        assert idle == []


def test_serving_on_cpu_imports_no_torch() -> None:
    code = (
        "import sys; from pathlib import Path;"
        "from mmindustry.fusion.policy import FusionPolicy;"
        "from mmindustry.fusion.predictor import open_predictor;"
        f"p = open_predictor(Path({str(noise_bundle())!r}), FusionPolicy());"
        "assert p.predict([]) == [];"
        "sys.exit('torch' in sys.modules or 'librosa' in sys.modules)"
    )

    found = subprocess.run([sys.executable, "-c", code], check=False, timeout=60)

    assert found.returncode == 0
