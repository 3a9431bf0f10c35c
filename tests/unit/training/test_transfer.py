"""Real material as windows, and a comparison that can say no."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile

from mmindustry.errors import InputError
from mmindustry.features.spec import PRODUCT, Recipe
from mmindustry.features.spectra import Basis
from mmindustry.fusion.bundle import builtin_bundle, read_bundle
from mmindustry.fusion.predictor import open_heatmap
from mmindustry.training.bench.real import arrays_of_sample, balanced_accuracy, samples
from mmindustry.training.bench.transfer import transfer
from mmindustry.training.bench.unmasked import show_defects
from tests.promises import missing


def _tell(message: str) -> None:
    del message


def _lay_text(folder: Path, count: int) -> None:
    place = folder / "text" / "maintie"
    place.mkdir(parents=True)
    trouble = {"type": "State/UndesirableState/FailedState"}
    entries = [
        {"text": f"pump {at} leaking oil u/s", "entities": [trouble]}
        if at % 2
        else {"text": f"service pump {at} monthly", "entities": [{"type": "Activity/Service"}]}
        for at in range(count)
    ]
    (place / "any-name.json").write_text(json.dumps(entries))


def test_recordings_are_cut_to_windows_and_named_by_state(tmp_path: Path) -> None:
    place = tmp_path / "audio" / "bldc"
    place.mkdir(parents=True)
    noise = np.random.default_rng(1).normal(0, 0.1, 9 * 16_000)
    soundfile.write(place / "Healthy_M9_1.flac", noise, 16_000)
    soundfile.write(place / "Crack_M9_1.flac", noise, 16_000)

    found = samples("sound", tmp_path)

    assert [(one.label, one.group) for one in found] == [
        *[("fault", "Crack_M9_1")] * 2,
        *[("healthy", "Healthy_M9_1")] * 2,
    ]
    arrays = arrays_of_sample(found[0], Recipe(), Basis.make(Recipe()))
    assert arrays is not None
    assert arrays["present"].tolist() == [0.0, 1.0, 0.0]


def test_a_motor_stands_on_one_side_where_there_are_several(tmp_path: Path) -> None:
    place = tmp_path / "audio" / "bldc"
    place.mkdir(parents=True)
    noise = np.random.default_rng(1).normal(0, 0.1, 5 * 16_000)
    for name in ("Healthy_M1_1", "Crack_M1_1", "normal_M2_1"):
        soundfile.write(place / f"{name}.wav", noise, 16_000)

    found = {(one.label, one.group) for one in samples("sound", tmp_path)}

    assert found == {("healthy", "M1"), ("fault", "M1"), ("healthy", "M2")}


def test_pictures_are_found_by_their_masks_whatever_the_folders_are_called(tmp_path: Path) -> None:
    place = tmp_path / "images" / "anything" / "deep"
    (place / "masks").mkdir(parents=True)
    (place / "seen").mkdir()
    picture = np.random.default_rng(1).integers(0, 255, (40, 40, 3), np.uint8)
    for name in ("one", "two"):
        cv2.imwrite(str(place / "seen" / f"{name}.png"), picture)
    cv2.imwrite(str(place / "masks" / "two.png"), np.full((40, 40), 255, np.uint8))

    found = samples("picture", tmp_path)

    assert [(one.label, one.group) for one in found] == [
        ("normal", "deep/one"),
        ("anomaly", "deep/two"),
    ]


def test_a_picture_of_a_product_is_read_as_its_close_up(tmp_path: Path) -> None:
    _lay_products(tmp_path)

    arrays = arrays_of_sample(samples("picture", tmp_path)[0], Recipe(), Basis.make(Recipe()))

    assert arrays is not None
    assert arrays["image_regions_mask"].tolist() == [float(r == PRODUCT) for r in Recipe().regions]


def test_a_heat_map_is_tried_on_real_products_beside_what_knows_nothing(tmp_path: Path) -> None:
    _lay_products(tmp_path)
    undrawn = np.full((96, 128, 3), 90, np.uint8)
    cv2.imwrite(str(tmp_path / "images" / "caps" / "anomaly_9.png"), undrawn)
    heatmap = open_heatmap(read_bundle(builtin_bundle()))
    assert heatmap is not None

    found = show_defects(tmp_path, heatmap)

    assert found is not None
    assert (found["pictures"], found["defective"]) == (8, 4), "what nobody drew is left out"
    assert len(found["random"]) == 3
    controls = [found["brightness"]["pixel_ap"], *(one["pixel_ap"] for one in found["random"])]
    low, high = found["ours"]["pixel_ap_interval"]
    assert low <= found["ours"]["pixel_ap"] <= high
    assert found["better"] == (low > max(controls))
    assert found["brightness"]["pixel_ap"] > 0.9, "the scratch is drawn as the darkest there is"


def test_without_a_mask_no_heat_map_is_tried(tmp_path: Path) -> None:
    _lay_products(tmp_path)
    heatmap = open_heatmap(read_bundle(builtin_bundle()))
    assert heatmap is not None

    assert show_defects(tmp_path / "nowhere", heatmap) is None


def _lay_products(folder: Path) -> None:
    """Draw four plain parts and four with a dark scratch, and its mask."""
    place = folder / "images" / "caps"
    (place / "masks").mkdir(parents=True)
    random = np.random.default_rng(3)
    for at in range(8):
        picture = random.integers(120, 140, (96, 128, 3), np.uint8)
        if at % 2:
            mask = np.zeros((96, 128), np.uint8)
            mask[30:40, 20 + 5 * at : 60 + 5 * at] = 255
            picture[mask > 0] = 10
            cv2.imwrite(str(place / "masks" / f"part_{at}.png"), mask)
        cv2.imwrite(str(place / f"part_{at}.png"), picture)


def test_texts_learned_on_the_simulator_help_with_texts_of_trouble(tmp_path: Path) -> None:
    _lay_text(tmp_path, 60)

    told = transfer(tmp_path, "builtin", _tell)

    assert told["heatmap"] is None
    found = told["kinds"]
    assert set(found) == {"text"}
    assert found["text"]["windows"] == 60
    assert found["text"]["labels"]["25"]["pretrained"] > 0.9


def test_a_folder_without_material_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=str(tmp_path)):
        transfer(tmp_path, "builtin", _tell)


def test_the_mean_recall_does_not_hang_on_how_many_there_are() -> None:
    truth = np.array(["a"] * 9 + ["b"])

    assert balanced_accuracy(np.array(["a"] * 10), truth) == 0.5


def test_real_annotated_texts_hold_both_classes() -> None:
    data = Path(os.environ.get("MMINDUSTRY_DATA", "../shared/data"))
    if not (data / "text" / "maintie").is_dir():
        missing("data", f"{data}/text/maintie is not there; set MMINDUSTRY_DATA")

    material = samples("text", data)

    assert {one.label for one in material} == {"trouble", "other"}
    assert len(material) >= 100
