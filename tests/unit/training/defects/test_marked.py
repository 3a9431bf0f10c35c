"""What is drawn on pictures: found beside them, however it was drawn."""

import base64
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from mmindustry.errors import InputError
from mmindustry.training.defects.marked import Marked, find_marked
from mmindustry.training.real.painted import painted_by_runs
from mmindustry.training.real.products import find_products
from tests.unit.training.defects.plates import (
    HEIGHT,
    SCRATCHES,
    WIDTH,
    lay_out,
    mask_of_scratch,
    write_plate,
)

CORNERS = [[30, 40], [44, 40], [44, 50], [30, 50]]


def mask(found: Marked, name: str) -> np.ndarray:
    number = [path.stem for path in found.pictures].index(name)
    mark = found.marks[number]
    assert mark is not None
    return mark.mask(WIDTH, HEIGHT)


def test_masks_are_found_in_their_folder_and_beside_their_picture(tmp_path: Path) -> None:
    lay_out(tmp_path)
    write_plate(tmp_path / "late.png", 55, (10, 10))
    cv2.imwrite(str(tmp_path / "late_mask.png"), mask_of_scratch((10, 10)))

    found = find_marked(tmp_path)

    assert len(found.pictures) == 8 + 6 + 1
    assert {path.stem[0] for path, bad in zip(found.pictures, found.defective, strict=True) if bad}
    np.testing.assert_array_equal(mask(found, "s1"), mask_of_scratch(SCRATCHES[1]) > 0)
    assert mask(found, "late")[15, 15]
    assert found.defective.sum() == 7


def test_a_black_mask_is_a_normal_picture_and_class_numbers_are_defects(tmp_path: Path) -> None:
    lay_out(tmp_path)
    cv2.imwrite(str(tmp_path / "masks" / "n0.png"), np.zeros((HEIGHT, WIDTH), np.uint8))
    cv2.imwrite(str(tmp_path / "masks" / "s0.png"), mask_of_scratch(SCRATCHES[0]) // 255 * 2)

    found = find_marked(tmp_path)

    assert found.defective.sum() == 6
    assert mask(found, "s0").sum() == 140


def runs_of(mask: np.ndarray) -> list[int]:
    """Return the run lengths of a mask by columns, background first."""
    runs, now = [0], False
    for pixel in mask.T.ravel():
        if bool(pixel) != now:
            runs.append(0)
            now = not now
        runs[-1] += 1
    return runs


def packed(runs: list[int]) -> str:
    """Return run lengths as COCO's tools compress them."""
    told = ""
    for at, run in enumerate(runs):
        left = run - runs[at - 2] if at > 2 else run
        more = True
        while more:
            code, left = left & 0x1F, left >> 5
            more = left != (-1 if code & 0x10 else 0)
            told += chr((code | (0x20 if more else 0)) + 48)
    return told


@given(npst.arrays(np.bool_, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_run_lengths_come_back_as_the_mask_they_were_made_of(mask: np.ndarray) -> None:
    runs, size = runs_of(mask), list(mask.shape)

    plain = painted_by_runs({"size": size, "counts": runs})
    short = painted_by_runs({"size": size, "counts": packed(runs)})

    np.testing.assert_array_equal(plain, mask)
    np.testing.assert_array_equal(short, mask)


def coco_way(kind: str) -> dict[str, object]:
    """Return what an annotation says of where the scratch is."""
    plane = np.zeros((HEIGHT, WIDTH), np.bool_)
    plane[40:50, 30:44] = True
    runs = runs_of(plane)
    ways: dict[str, dict[str, object]] = {
        "coco": {"segmentation": [np.ravel(CORNERS).tolist()]},
        "coco_box": {},
        "coco_runs": {"segmentation": {"size": [HEIGHT, WIDTH], "counts": runs}},
        "coco_packed": {"segmentation": {"size": [HEIGHT, WIDTH], "counts": packed(runs)}},
    }
    return ways[kind]


def labelme_way(kind: str) -> dict[str, object]:
    """Return a shape that says where the scratch is."""
    if kind == "labelme":
        return {"label": "scratch", "points": CORNERS, "shape_type": "polygon"}
    _, png = cv2.imencode(".png", np.full((10, 14), 255, np.uint8))
    mask = base64.b64encode(png.tobytes()).decode()
    corners = [CORNERS[0], CORNERS[2]]
    return {"label": "scratch", "points": corners, "shape_type": "mask", "mask": mask}


@pytest.mark.parametrize(
    "kind", ["labelme", "labelme_mask", "coco", "coco_box", "coco_runs", "coco_packed"]
)
def test_outlines_are_read_from_what_tools_write(tmp_path: Path, kind: str) -> None:
    for number, scratch in enumerate(((30, 40), None, (30, 40))):
        write_plate(tmp_path / "pictures" / f"p{number}.png", number, scratch)
    labels = tmp_path / "labels"
    labels.mkdir()
    if kind.startswith("labelme"):
        shapes = [labelme_way(kind)]
        for name, outlines in (("p0", shapes), ("p1", []), ("p2", shapes)):
            told = {"shapes": outlines, "imageWidth": WIDTH, "imageHeight": HEIGHT}
            (labels / f"{name}.json").write_text(json.dumps(told))
    else:
        outline = coco_way(kind)
        document = {
            "images": [
                {"id": 7 + n, "file_name": f"p{n}.png", "width": WIDTH, "height": HEIGHT}
                for n in range(3)
            ],
            "annotations": [
                {"id": n, "image_id": 7 + n, "bbox": [30, 40, 14, 10], **outline} for n in (0, 2)
            ],
        }
        (labels / "instances.json").write_text(json.dumps(document))

    found = find_marked(tmp_path / "pictures", labels=labels)

    assert found.defective.tolist() == [True, False, True]
    inside = mask(found, "p0")
    assert inside[45, 37]
    assert not inside[60, 37]
    assert inside.sum() == pytest.approx(140, abs=30)


def test_where_nothing_is_drawn_a_folder_tells_what_is_normal(tmp_path: Path) -> None:
    lay_out(tmp_path, masks=False)

    both, alone = find_marked(tmp_path), find_marked(tmp_path / "good")

    assert both.defective.sum() == 6
    assert not both.drawn.any()
    assert not alone.defective.any()


def test_where_nothing_is_drawn_names_tell_what_is_defective(tmp_path: Path) -> None:
    for name in ("ok-1", "not_ok-2", "003", "healthy-4"):
        write_plate(tmp_path / f"{name}.png", 3, None)
    for name in ("defective/1", "rest/2"):
        write_plate(tmp_path / "b" / f"{name}.png", 3, None)

    told, bad_only = find_marked(tmp_path), find_marked(tmp_path / "b")

    wrong = {path.stem for path, bad in zip(told.pictures, told.defective, strict=True) if bad}
    assert wrong == {"not_ok-2", "003", "1", "2"}
    assert bad_only.defective.tolist() == [True, False]


def test_a_picture_named_defective_on_which_nothing_is_drawn_is_no_normal_one(
    tmp_path: Path,
) -> None:
    lay_out(tmp_path)
    write_plate(tmp_path / "broken-9.png", 3, (10, 10))

    with pytest.raises(InputError, match=r"nothing is drawn on 1 \(broken-9\.png\)"):
        find_marked(tmp_path)


def test_masks_of_names_that_come_again_belong_to_the_folder_of_their_name(tmp_path: Path) -> None:
    for place in ("train/good", "test/good", "test/cut"):
        write_plate(tmp_path / place / "000.png", 3, (10, 10) if "cut" in place else None)
    (tmp_path / "ground_truth" / "cut").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "ground_truth" / "cut" / "000_mask.png"), mask_of_scratch((10, 10)))

    found, product = find_marked(tmp_path), find_products(tmp_path)[0]

    wrong = [path for path, bad in zip(found.pictures, found.defective, strict=True) if bad]
    assert wrong == [tmp_path / "test" / "cut" / "000.png"]
    assert product.truth.sum() == 1


def test_pictures_are_grouped_by_sequence_machine_or_look(tmp_path: Path) -> None:
    for place in ("100_045", "200_090"):
        for day in range(3):
            name = f"01_21010{day + 1}080000_{place}_crop_1.png"
            write_plate(tmp_path / "drives" / name, day, (30, 40) if day else None)
            if day:
                drawn = tmp_path / "drives" / "masks" / name
                drawn.parent.mkdir(exist_ok=True)
                cv2.imwrite(str(drawn), mask_of_scratch((30, 40)))
    for machine in ("m1", "m2"):
        for number, scratch in enumerate(((30, 40), None)):
            write_plate(tmp_path / "by" / machine / f"{machine}{number}.png", number, scratch)
        (tmp_path / "by" / "masks").mkdir(exist_ok=True)
        drawn = tmp_path / "by" / "masks" / f"{machine}0.png"
        cv2.imwrite(str(drawn), mask_of_scratch((30, 40)))
    lay_out(tmp_path / "classes")

    assert find_marked(tmp_path / "drives").grouped_by == "sequence"
    assert set(find_marked(tmp_path / "drives").groups) == {"100_045", "200_090"}
    assert set(find_marked(tmp_path / "by").groups) == {"m1", "m2"}
    assert find_marked(tmp_path / "classes").grouped_by in {"look", "picture"}
    assert find_marked(tmp_path / "classes", grouped_by="folder").grouped_by == "folder"


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ("{oops", "can't be read as JSON"),
        ('{"shapes": 3}', "not a labelme file"),
        ('{"images": [{"id": 1}], "annotations": []}', "not a COCO file"),
        (
            (
                '{"images": [{"id": 1, "file_name": "n0.png", "width": 9, "height": 9}],'
                ' "annotations": [{"image_id": 1, "segmentation": {"counts": [3]}}]}'
            ),
            "no run-length mask",
        ),
        (
            (
                '{"images": [{"id": 1, "file_name": "n0.png", "width": 9, "height": 9}],'
                ' "annotations": [{"id": 4, "image_id": 1,'
                ' "segmentation": {"size": [8, 9], "counts": [72]}}]}'
            ),
            r"annotation 4: its mask is \(8, 9\), its picture \(9",
        ),
        (
            (
                '{"imageWidth": 9, "imageHeight": 9, "shapes": [{"shape_type": "mask",'
                ' "points": [[1, 1], [3, 3]], "mask": "AAAA"}]}'
            ),
            "a mask that is no PNG",
        ),
        (
            (
                '{"images": [{"id": 1, "file_name": "lost.png", "width": 9, "height": 9}],'
                ' "annotations": []}'
            ),
            "no picture.* named lost.png",
        ),
    ],
)
def test_a_label_that_can_not_be_used_is_named(tmp_path: Path, document: str, says: str) -> None:
    lay_out(tmp_path)
    (tmp_path / "good" / "n0.json").write_text(document)

    with pytest.raises(InputError, match=says):
        find_marked(tmp_path)


def test_a_folder_that_says_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        find_marked(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no picture there"):
        find_marked(tmp_path)
    lay_out(tmp_path)
    with pytest.raises(InputError, match="sequence, folder, look, picture"):
        find_marked(tmp_path, grouped_by="camera")
    with pytest.raises(InputError, match="not every picture's name"):
        find_marked(tmp_path, grouped_by="sequence")
