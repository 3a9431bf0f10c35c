"""Defects learned from masks or from normal pictures, tried on groups that had no say."""

from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")

from mmindustry.errors import InputError
from mmindustry.training.defects.marked import Marked, find_marked
from mmindustry.training.defects.task import DefectPlan, DefectTask
from mmindustry.training.defects.trial import deal
from mmindustry.training.pictures import read_picture
from mmindustry.training.tasks.saved import kind_of
from tests.unit.training.defects.plates import lay_out, write_plate


def silent(message: str) -> None:
    del message


def test_scratches_are_found_by_what_masks_taught(tmp_path: Path) -> None:
    marked = find_marked(lay_out(tmp_path / "data"))
    write_plate(tmp_path / "new.png", 999, (70, 40))
    write_plate(tmp_path / "fine.png", 998)

    task, figures = DefectTask.fit(marked, DefectPlan(longest=128), silent)
    task.save(tmp_path / "task.json")
    back = DefectTask.load(tmp_path / "task.json")
    scratched, fine = back.look(tmp_path / "new.png"), back.look(tmp_path / "fine.png")

    assert figures["taught_by"] == "masks"
    assert figures["image_auroc"] == 1.0
    assert figures["pixel_ap"] > 0.7 > figures["pixel_ap_place"]
    assert figures["hit_recall"] > 0.8 > 3 * figures["hit_recall_chance"]
    assert figures["hit_precision_interval"][0] <= figures["hit_precision"]
    assert figures["mask_iou"] > 0.4
    assert fine.regions == ()
    assert len(scratched.regions) == 1
    left, top, width, height = scratched.regions[0].box
    assert left <= 77 <= left + width
    assert top <= 45 <= top + height
    assert scratched.mask[45, 77]
    assert not scratched.mask[80, 10]
    assert scratched.normal_share < fine.normal_share
    assert task.look(tmp_path / "new.png").score == pytest.approx(scratched.score, abs=1e-5)
    assert kind_of(tmp_path / "task.json", known=("defect_task",)) == "defect_task"


def test_scratches_are_found_by_normal_plates_alone(tmp_path: Path) -> None:
    marked = find_marked(lay_out(tmp_path / "data", masks=False))
    write_plate(tmp_path / "new.png", 999, (70, 40))

    task, figures = DefectTask.fit(marked, DefectPlan(longest=128, false_share=0.2), silent)
    task.save(tmp_path / "task.json")
    seen = DefectTask.load(tmp_path / "task.json").look(tmp_path / "new.png")

    assert figures["taught_by"] == "normals"
    assert figures["image_auroc"] > 0.9
    assert figures["sensitivity"] > 0.8
    assert "pixel_ap" not in figures
    assert seen.regions
    assert seen.normal_share == pytest.approx(1 / 9)
    assert seen.drawn().shape == seen.picture.shape


def test_normal_plates_alone_give_a_share_of_false_finds_and_no_more(tmp_path: Path) -> None:
    lay_out(tmp_path)
    marked = find_marked(tmp_path / "good")

    _, figures = DefectTask.fit(marked, DefectPlan(longest=128), silent)

    assert 0 <= figures["specificity"] <= 1
    assert "image_auroc" not in figures
    assert "sensitivity" not in figures


def test_a_picture_of_another_size_is_told_in_its_own_pixels(tmp_path: Path) -> None:
    marked = find_marked(lay_out(tmp_path / "data"))
    write_plate(tmp_path / "new.png", 999, (70, 40))
    large = np.repeat(np.repeat(read_picture(tmp_path / "new.png"), 3, axis=0), 3, axis=1)
    cv2.imwrite(str(tmp_path / "large.png"), large)

    task, _ = DefectTask.fit(marked, DefectPlan(longest=128), silent)
    seen = task.look(tmp_path / "large.png")

    assert seen.heat.shape == seen.mask.shape == (288, 384)
    left, top, width, height = seen.regions[0].box
    assert left <= 3 * 77 <= left + width
    assert top <= 3 * 45 <= top + height
    assert seen.regions[0].area == pytest.approx(seen.mask.sum(), rel=0.05)


def test_no_group_stands_on_both_sides_and_every_fold_can_be_learned_from() -> None:
    groups = np.repeat([f"m{k}" for k in range(9)], 4)
    defective = np.isin(groups, ["m7", "m8"]) & (np.arange(36) % 2 == 0)
    marked = Marked(
        pictures=tuple(Path(str(k)) for k in range(36)),
        marks=tuple(_Everywhere() if bad else None for bad in defective),
        defective=defective,
        groups=groups,
        grouped_by="folder",
    )

    folds = deal(marked, by="masks")

    assert len(folds) == 2
    assert sorted(np.concatenate([fold.test for fold in folds]).tolist()) == list(range(36))
    for fold in folds:
        assert not set(groups[fold.train]) & set(groups[fold.test])
        assert defective[fold.train].any()
        assert defective[fold.test].any()


class _Everywhere:
    def mask(self, width: int, height: int) -> np.ndarray:
        return np.ones((height, width), np.bool_)


def test_what_can_not_be_learned_is_refused(tmp_path: Path) -> None:
    marked = find_marked(lay_out(tmp_path, normal=2, masks=False), grouped_by="folder")

    with pytest.raises(InputError, match="0 pictures with defects drawn on them"):
        DefectTask.fit(marked, DefectPlan(by="masks", longest=128), silent)
    with pytest.raises(InputError, match="two groups are needed"):
        DefectTask.fit(marked, DefectPlan(by="normals", longest=128), silent)
    with pytest.raises(InputError, match="64 to 2048"):
        DefectPlan(longest=8)
    with pytest.raises(InputError, match="masks, normals"):
        DefectPlan(by="magic")
    with pytest.raises(InputError, match="above 0 and below 1"):
        DefectPlan(false_share=0.0)
