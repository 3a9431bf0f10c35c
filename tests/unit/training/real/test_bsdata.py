"""Photographs in sequence: found by name, judged by heads that never met their sequence."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")

from mmindustry.errors import InputError
from mmindustry.training.real import bsdata
from mmindustry.training.real.looks import learned_elsewhere
from mmindustry.training.real.photographs import find_photographs, labels_without_photograph
from mmindustry.training.real.rounds import pairs_in_order, share_of
from tests.promises import missing

PLACES = ("100000_045", "200000_090", "300000_000", "400000_180")


def silent(message: str) -> None:
    del message


def lay_out(folder: Path, *, frames: int = 6, sizes: bool = True) -> Path:
    """Write four places photographed in rounds; three get a dark pit, each later, one never."""
    pictures, labels = folder / "images" / "drives", folder / "images" / "drives_labels"
    pictures.mkdir(parents=True)
    labels.mkdir()
    for number, place in enumerate(PLACES):
        for frame in range(frames):
            random = np.random.default_rng(100 * number + frame)
            width, height = (200, 96) if frame < 4 or not sizes else (250, 120)
            picture = random.normal(140, 8, (height, width, 3)).clip(0, 255).astype(np.uint8)
            name = f"07_2101{frame + 1:02d}{8 + number:02d}0000_{place}_crop_1"
            if place != PLACES[-1] and frame >= 2 + number:
                x, y = 40 + 30 * number, 40
                cv2.circle(picture, (x, y), 8, (30, 30, 30), -1)
                points = [[x - 8, y - 8], [x + 8, y - 8], [x + 8, y + 8], [x - 8, y + 8]]
                document = {
                    "shapes": [{"label": "Pit", "points": points, "shape_type": "polygon"}],
                    "imageWidth": width,
                    "imageHeight": height,
                }
                (labels / f"{name}.json").write_text(json.dumps(document))
            cv2.imwrite(str(pictures / f"{name}.jpg"), picture)
    return folder


def test_sequences_rounds_and_damage_are_read_from_the_folder(tmp_path: Path) -> None:
    photos = find_photographs(lay_out(tmp_path))

    assert sorted({photo.sequence for photo in photos}) == sorted(PLACES)
    assert all(photo.round == photo.index for photo in photos)
    assert sum(photo.damage.damaged for photo in photos) == 4 + 3 + 2
    first = next(photo for photo in photos if photo.damage.damaged)
    assert first.mask(100, 48)[20, 20]
    assert not first.mask(100, 48)[5, 5]


def test_a_missed_photograph_does_not_shift_the_rounds(tmp_path: Path) -> None:
    lay_out(tmp_path)
    lost = next((tmp_path / "images" / "drives").glob(f"07_210103*_{PLACES[1]}_*"))
    lost.unlink()

    photos = find_photographs(tmp_path)

    assert {photo.round for photo in photos if photo.sequence == PLACES[1]} == {0, 1, 3, 4, 5}


def test_pits_are_found_within_rounds_and_a_sequence_of_one_class_harms_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bsdata, "LONGEST_SIDE", 208)

    lone = lay_out(tmp_path) / "images" / "drives_labels" / "07_220101000000_1_2_crop_1.json"
    lone.write_text('{"shapes": []}')
    told: list[str] = []

    found = bsdata.evaluate_bsdata(tmp_path, "builtin", told.append, work=tmp_path / "work")

    assert told[0].startswith(f"labels of no photograph, not used: 1 ({lone.name})")
    assert found["labels_without_photograph"] == 1
    assert len(list((tmp_path / "work").glob("*.npy"))) == 3
    assert found["sequences_of_one_class"] == [PLACES[-1]]
    assert found["scored"]["control_index"]["within_rounds_auroc"] == 0.5
    assert found["scored"]["ours"]["within_rounds_auroc"] > 0.9
    assert found["pixel_ap"]["value"] > 0.3
    assert found["pixel_ap"]["value"] > found["pixel_ap_control_place"]["value"]


def test_a_folder_without_damage_or_photographs_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no photographs in sequence"):
        find_photographs(tmp_path)
    lay_out(tmp_path)
    for label in tmp_path.rglob("*.json"):
        label.unlink()

    with pytest.raises(InputError, match="0 of them with damage"):
        bsdata.evaluate_bsdata(tmp_path, "builtin", silent)


def test_a_label_that_is_no_labelme_file_is_named(tmp_path: Path) -> None:
    lay_out(tmp_path)
    broken = next(tmp_path.rglob("*.json"))
    broken.write_text("{}")

    with pytest.raises(InputError, match=broken.name):
        find_photographs(tmp_path)


def test_a_label_of_no_photograph_is_found_and_other_files_are_no_labels(tmp_path: Path) -> None:
    photos = find_photographs(lay_out(tmp_path))
    place = tmp_path / "images" / "drives_labels"
    (place / "misspelt.json").write_text('{"shapes": []}')
    (place / "07_220101000000_1_2_crop_1.json").write_text("broken")
    (tmp_path / "texts.json").write_text('[{"text": "leak"}]')
    (tmp_path / "settings.json").write_text("{}")

    found = labels_without_photograph(tmp_path, photos)

    assert [path.name for path in found] == ["07_220101000000_1_2_crop_1.json", "misspelt.json"]


def test_pairs_across_rounds_do_not_count() -> None:
    scores = np.array([1.0, 2.0, 9.0, 8.0, 50.0])
    truth = np.array([False, True, False, True, True])
    rounds = np.array([0, 0, 1, 1, 2])

    assert share_of(pairs_in_order(scores, truth, rounds)) == 0.5


def test_a_control_never_learns_from_the_group_it_is_tried_on() -> None:
    random = np.random.default_rng(1)
    groups = np.repeat(["a", "b", "c"], 20)
    truth = np.tile([True, False], 30)
    rows = np.c_[truth * 2.0 + random.normal(size=60), groups == "a"]
    changed = truth.copy()
    changed[groups == "a"] = ~changed[groups == "a"]

    first, other = (learned_elsewhere(rows, t, groups) for t in (truth, changed))

    np.testing.assert_array_equal(first[groups == "a"], other[groups == "a"])


def test_bsdatas_rounds_are_the_nth_photographs_of_all_sequences() -> None:
    folder = Path(os.environ.get("MMINDUSTRY_DATA", "../shared/data")) / "images"
    if not folder.is_dir():
        missing("data", f"no folder {folder}; set MMINDUSTRY_DATA")

    photos = find_photographs(folder)

    assert len({photo.sequence for photo in photos}) >= 2
    assert any(photo.damage.damaged for photo in photos)
    agree = np.mean([photo.round == photo.index for photo in photos])
    assert agree > 0.9
