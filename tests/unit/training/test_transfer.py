"""Real material as windows, and a comparison that can say no."""

import json
import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from mmindustry.cli.bench import app
from mmindustry.cli.result_rows import transfers
from mmindustry.errors import InputError
from mmindustry.features.spec import PRODUCT, Recipe
from mmindustry.features.spectra import Basis
from mmindustry.fusion.bundle import builtin_bundle, read_bundle
from mmindustry.fusion.predictor import open_heatmap
from mmindustry.training.bench.real import arrays_of_sample, balanced_accuracy, find_material
from mmindustry.training.bench.transfer import _by_allowance, _draws, _shown, transfer
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

    found = find_material("sound", tmp_path).samples

    assert [(one.label, one.group) for one in found] == [
        *[("fault", "Crack_M9_1")] * 2,
        *[("healthy", "Healthy_M9_1")] * 2,
    ]
    arrays = arrays_of_sample(found[0], Recipe(), Basis.make(Recipe()))
    assert arrays is not None
    assert arrays["present"].tolist() == [0.0, 1.0, 0.0]


def _lay_sound(folder: Path, *names: str) -> None:
    place = folder / "audio" / "bldc"
    place.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(1).normal(0, 0.1, 5 * 16_000)
    for name in names:
        soundfile.write(place / f"{name}.wav", noise, 16_000)


def test_a_motor_of_one_class_alone_is_left_out_and_recordings_are_the_groups(
    tmp_path: Path,
) -> None:
    _lay_sound(tmp_path, "Healthy_M1_1", "Crack_M1_1", "Normal_M2_1", "Crack_M3_1", "Crack_M3_2")

    found = find_material("sound", tmp_path)

    assert {(one.label, one.group) for one in found.samples} == {
        ("healthy", "Healthy_M1_1"),
        ("fault", "Crack_M1_1"),
    }
    assert found.left_out == {"M2": 1, "M3": 2}


def test_where_every_motor_has_one_class_there_is_nothing_to_learn(tmp_path: Path) -> None:
    _lay_sound(tmp_path, "Healthy_M1_1", "Crack_M2_1")

    with pytest.raises(InputError, match=r"needs a motor recorded both .* M1, M2"):
        find_material("sound", tmp_path)


def test_what_is_left_out_of_motors_is_told_and_kept(tmp_path: Path) -> None:
    own = [f"{state}_M1_{speed}" for state in ("Healthy", "Crack") for speed in range(4)]
    _lay_sound(tmp_path, *own, "Healthy_M3_1", "Crack_M4_1")
    told: list[str] = []

    found = transfer(tmp_path, "builtin", told.append)["kinds"]["sound"]

    assert any("2 windows of M3, M4 are left out" in line for line in told)
    assert found["windows_left_out"] == {"M3": 1, "M4": 1}
    assert (found["windows"], found["groups"], found["groups_are"]) == (8, 8, "recordings")
    assert {name: row["learned_from"] for name, row in found["labels"].items()} == {"25": 4}


def test_pictures_are_found_by_their_masks_whatever_the_folders_are_called(tmp_path: Path) -> None:
    place = tmp_path / "images" / "anything" / "deep"
    (place / "masks").mkdir(parents=True)
    (place / "seen").mkdir()
    picture = np.random.default_rng(1).integers(0, 255, (40, 40, 3), np.uint8)
    for name in ("one", "two"):
        cv2.imwrite(str(place / "seen" / f"{name}.png"), picture)
    cv2.imwrite(str(place / "masks" / "two.png"), np.full((40, 40), 255, np.uint8))

    found = find_material("picture", tmp_path).samples

    assert [(one.label, one.group) for one in found] == [
        ("normal", "anything/deep/seen/one.png"),
        ("anomaly", "anything/deep/seen/two.png"),
    ]


def test_a_picture_named_anomalous_is_an_anomaly_without_a_mask(tmp_path: Path) -> None:
    _lay_products(tmp_path)
    undrawn = np.full((96, 128, 3), 90, np.uint8)
    cv2.imwrite(str(tmp_path / "images" / "caps" / "anomaly_9.png"), undrawn)

    labels = {one.group: one.label for one in find_material("picture", tmp_path).samples}

    assert labels["caps/anomaly_9.png"] == "anomaly"


def test_an_empty_mask_is_refused_by_its_name(tmp_path: Path) -> None:
    _lay_products(tmp_path)
    empty = tmp_path / "images" / "caps" / "masks" / "part_1.png"
    cv2.imwrite(str(empty), np.zeros((96, 128), np.uint8))
    heatmap = open_heatmap(read_bundle(builtin_bundle()))
    assert heatmap is not None

    with pytest.raises(InputError, match=r"part_1\.png: an empty mask"):
        show_defects(tmp_path, heatmap)
    with pytest.raises(InputError, match=r"part_1\.png: an empty mask"):
        find_material("picture", tmp_path)


def test_a_picture_of_a_product_is_read_as_its_close_up(tmp_path: Path) -> None:
    _lay_products(tmp_path)

    arrays = arrays_of_sample(
        find_material("picture", tmp_path).samples[0], Recipe(), Basis.make(Recipe())
    )

    assert arrays is not None
    assert arrays["image_regions_mask"].tolist() == [float(r == PRODUCT) for r in Recipe().regions]


def test_a_heat_map_is_tried_on_real_products_beside_what_knows_nothing(tmp_path: Path) -> None:
    _lay_products(tmp_path)
    undrawn = np.full((96, 128, 3), 90, np.uint8)
    cv2.imwrite(str(tmp_path / "images" / "caps" / "anomaly_9.png"), undrawn)
    heatmap = open_heatmap(read_bundle(builtin_bundle()))
    assert heatmap is not None

    found = show_defects(tmp_path, heatmap)

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

    with pytest.raises(InputError, match="no such folder"):
        show_defects(tmp_path / "nowhere", heatmap)


def test_a_bundle_without_a_heat_map_says_so(tmp_path: Path) -> None:
    _lay_products(tmp_path)

    with pytest.raises(InputError, match="carries no heat map"):
        _shown(tmp_path, replace(read_bundle(builtin_bundle()), heatmap=None))


def test_where_every_product_is_damaged_no_heat_map_is_tried(tmp_path: Path) -> None:
    _lay_products(tmp_path)
    for at in range(0, 8, 2):
        (tmp_path / "images" / "caps" / f"part_{at}.png").unlink()
    heatmap = open_heatmap(read_bundle(builtin_bundle()))
    assert heatmap is not None

    with pytest.raises(InputError, match="needs two classes; of 4 pictures 4 have a mask"):
        show_defects(tmp_path, heatmap)


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
    assert set(told["left_out"]) == {"sound", "picture", "heatmap"}
    found = told["kinds"]
    assert set(found) == {"text"}
    assert found["text"]["windows"] == 60
    assert {name: row["learned_from"] for name, row in found["text"]["labels"].items()} == {
        "25": 25,
        "100": 30,
    }
    assert found["text"]["labels"]["25"]["pretrained"] > 0.9


def test_a_folder_without_material_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{tmp_path}: nothing could be judged; sound: .*; text: "):
        transfer(tmp_path, "builtin", _tell)


def test_one_kind_that_can_not_be_judged_does_not_lose_the_others(tmp_path: Path) -> None:
    _lay_text(tmp_path, 60)
    _lay_sound(tmp_path, "Healthy_M1_1", "Crack_M1_1")
    (tmp_path / "audio" / "bldc" / "Healthy_M1_2.wav").write_bytes(b"no sound")
    _lay_products(tmp_path)
    (tmp_path / "images" / "caps" / "part_0.png").write_bytes(b"no picture")
    told: list[str] = []

    found = transfer(tmp_path, "builtin", told.append)

    assert set(found["kinds"]) == {"text"}
    for name, file in (("sound", "Healthy_M1_2.wav"), ("picture", "part_0"), ("heatmap", "part_0")):
        assert file in found["left_out"][name]
        assert any(line.startswith(f"{name}: left out: ") and file in line for line in told)


def test_a_broken_file_of_texts_is_named(tmp_path: Path) -> None:
    place = tmp_path / "text" / "maintie"
    place.mkdir(parents=True)
    for content in ("[", "[1]", '[{"entities": []}]', '{"a": 1}'):
        (place / "odd.json").write_text(content)

        with pytest.raises(InputError, match=r"odd\.json: no list of texts"):
            find_material("text", tmp_path)


def test_one_class_alone_is_refused_before_anything_is_learned() -> None:
    group = np.array([str(at) for at in range(8)])

    with pytest.raises(InputError, match="needs two classes; 8 windows hold fault alone"):
        _draws(np.array(["fault"] * 8), group)
    with pytest.raises(InputError, match=r"too few groups .*: 1 of a, 7 of b"):
        _draws(np.array(["a"] + ["b"] * 7), group)


def test_no_half_is_drawn_twice_and_no_group_is_parted() -> None:
    label = np.array(["a", "b"] * 8)
    few, many = np.repeat(list("wxyz"), 4), np.repeat(list("rstuvwxy"), 2)

    halves = [[frozenset(one) for one in _halves(label, group)] for group in (few, many)]

    assert len(halves[0]) == len(set(halves[0])) == 6, "all there are of four"
    assert len(halves[1]) == len(set(halves[1])) == 10


def _halves(label: np.ndarray, group: np.ndarray) -> list[set[str]]:
    draws = _draws(label, group)
    assert all(not set(group[one.learned]) & set(group[one.tried]) for one in draws)
    return [set(group[one.learned]) for one in draws]


def test_a_larger_allowance_that_gives_no_more_labels_has_no_row_of_its_own() -> None:
    random = np.random.default_rng(1)
    rows = {}
    for count in (40, 80):
        label = np.array(["a", "b"] * (count // 2))
        draws = _draws(label, np.arange(count).astype(np.str_))
        told = _by_allowance([random.normal(size=(count, 3)) for _ in range(2)], label, draws)
        rows[count] = {name: row["learned_from"] for name, row in told.items()}

    assert rows == {40: {"25": 20}, 80: {"25": 25, "100": 40}}


def test_the_table_tells_labels_learned_from_and_what_a_group_is() -> None:
    row = {
        "learned_from": 14,
        "pretrained": 0.9,
        "random": 0.8,
        "gain": 0.1,
        "gain_standard_error": 0.02,
    }
    kind = {"windows": 48, "groups": 12, "groups_are": "recordings", "labels": {"25": row}}

    (told,) = transfers({"kinds": {"sound": kind}, "heatmap": None, "left_out": {}})

    assert told == (
        *("sound, 48 windows of 12 recordings", "14", "0.900", "0.800"),
        "0.100 ± 0.020",
    )


def test_the_command_prints_what_it_left_out(tmp_path: Path) -> None:
    _lay_text(tmp_path, 60)

    told = CliRunner().invoke(app, ["transfer", "--data", str(tmp_path)])

    assert told.exit_code == 0, told.output
    assert "text: 60 windows of 60 lines, 10 draws\n  25 labels: " in told.stdout
    assert f"left out: sound: {tmp_path}/audio/bldc: no such folder" in told.stdout


def test_the_mean_recall_does_not_hang_on_how_many_there_are() -> None:
    truth = np.array(["a"] * 9 + ["b"])

    assert balanced_accuracy(np.array(["a"] * 10), truth) == 0.5


def test_real_annotated_texts_hold_both_classes() -> None:
    data = Path(os.environ.get("MMINDUSTRY_DATA", "../shared/data"))
    if not (data / "text" / "maintie").is_dir():
        missing("data", f"{data}/text/maintie is not there; set MMINDUSTRY_DATA")

    material = find_material("text", data).samples

    assert {one.label for one in material} == {"trouble", "other"}
    assert len(material) >= 100
