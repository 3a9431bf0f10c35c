"""Products judged by normal ones: found by their masks, folds by look."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from mmindustry.errors import InputError
from mmindustry.training.real.alike import alike
from mmindustry.training.real.cookie import evaluate_products
from mmindustry.training.real.labels import named_anomalous
from mmindustry.training.real.products import find_products, read_mask


def silent(message: str) -> None:
    del message


def lay_out(folder: Path) -> Path:
    """Write eight sound plates, two of them copies, and four scratched ones with masks."""
    pictures, masks = folder / "plates" / "all", folder / "plates" / "masks"
    pictures.mkdir(parents=True)
    masks.mkdir()
    for number in range(12):
        random = np.random.default_rng(0 if number == 1 else number)
        plate = random.normal(120, 10, (90, 120, 3))
        plate = plate.clip(0, 255).astype(np.uint8)
        if number >= 8:
            begin, end = (60, 20 + 4 * number), (100, 30 + 4 * number)
            cv2.line(plate, begin, end, (0, 0, 0), 5)
            mask = np.zeros((90, 120, 4), np.uint8)
            cv2.line(mask, begin, end, (0, 0, 0, 255), 5)
            cv2.imwrite(str(masks / f"p{number}.png"), mask)
        cv2.imwrite(str(pictures / f"p{number}.png"), plate)
    return folder


def test_scratches_are_told_from_sound_plates_and_laid_over_them(tmp_path: Path) -> None:
    found = evaluate_products(lay_out(tmp_path), "builtin", silent, maps=tmp_path / "maps")

    plates = found["products"]["plates"]
    assert (plates["normal"], plates["anomalous"], plates["different_looks"]) == (8, 4, 11)
    assert plates["image_auroc"] > 0.9
    assert plates["pixel_ap"] > 5 * plates["pixel_ap_chance"]
    assert plates["image_auroc_interval"][0] <= plates["image_auroc"]
    assert plates["control_size"] == 0.5
    assert len(list((tmp_path / "maps" / "plates").glob("*.png"))) == 12


def test_near_copies_share_a_group(tmp_path: Path) -> None:
    product = find_products(lay_out(tmp_path))[0]

    groups = dict(zip([p.stem for p in product.pictures], alike(product.pictures), strict=True))

    assert groups["p0"] == groups["p1"]
    assert groups["p0"] != groups["p7"]


def test_a_mask_is_what_is_opaque(tmp_path: Path) -> None:
    product = find_products(lay_out(tmp_path))[0]
    path = next(mask for mask in product.masks if mask is not None)

    mask = read_mask(path, (45, 60))

    assert 0 < mask.mean() < 0.1


def test_a_folder_without_products_or_with_a_lost_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no products"):
        find_products(tmp_path)
    lay_out(tmp_path)
    (tmp_path / "plates" / "all" / "p9.png").unlink()

    with pytest.raises(InputError, match="no picture for the mask p9"):
        find_products(tmp_path)


def test_an_empty_mask_is_refused_by_name(tmp_path: Path) -> None:
    empty = tmp_path / "empty.png"
    cv2.imwrite(str(empty), np.zeros((8, 8), np.uint8))

    with pytest.raises(InputError, match="empty"):
        read_mask(empty, (8, 8))


def test_a_mask_file_without_bytes_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "gone.png"
    path.write_bytes(b"")

    with pytest.raises(InputError, match=r"gone\.png: no mask that can be decoded"):
        read_mask(path, (8, 8))


def photographs(folder: Path, count: int) -> list[Path]:
    """Write parts under a fixed camera: one part, a pixel of jitter, noise, the last scratched."""
    random = np.random.default_rng(3)
    part = np.full((240, 320, 3), 200, np.uint8)
    cv2.circle(part, (160, 120), 80, (90, 100, 110), -1)
    cv2.rectangle(part, (30, 30), (60, 50), (40, 40, 60), -1)
    paths = []
    for number in range(count):
        right, down = random.integers(-1, 2, 2)
        moved = np.roll(part, (down, right), (0, 1)) + random.normal(0, 3, part.shape)
        taken = moved.clip(0, 255).astype(np.uint8)
        if number >= count // 2:
            x, y = (int(value) for value in random.integers(60, 160, 2))
            cv2.line(taken, (x, y), (x + 30, y + 20), (20, 20, 20), 2)
        paths.append(folder / f"part-{number}.png")
        cv2.imwrite(str(paths[-1]), taken)
    return paths


def test_pictures_of_a_fixed_camera_are_different_and_their_copies_are_not(tmp_path: Path) -> None:
    paths = photographs(tmp_path, 30)
    first = cv2.imread(str(paths[0]))
    assert first is not None
    changed = {
        "encoded.jpg": first,
        "smaller.png": cv2.resize(first, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA),
        "brighter.png": cv2.convertScaleAbs(first, alpha=1.1, beta=5),
    }
    for name, picture in changed.items():
        cv2.imwrite(str(tmp_path / name), picture)

    groups = alike([*paths, *(tmp_path / name for name in changed)])

    assert len(set(groups[:30])) >= 25
    assert set(groups[30:]) == {groups[0]}


def test_where_all_look_the_same_folds_are_by_picture_and_that_is_said(tmp_path: Path) -> None:
    pictures, masks = tmp_path / "plates" / "all", tmp_path / "plates" / "masks"
    pictures.mkdir(parents=True)
    masks.mkdir()
    plate = np.full((60, 80, 3), 120, np.uint8)
    for number in range(8):
        cv2.imwrite(str(pictures / f"p{number}.png"), plate)
    mask = np.zeros((60, 80), np.uint8)
    cv2.line(mask, (10, 10), (60, 40), 255, 3)
    cv2.imwrite(str(masks / "p7.png"), mask)
    cv2.imwrite(str(pictures / "p7.png"), cv2.line(plate, (10, 10), (60, 40), (0, 0, 0), 3))
    told: list[str] = []

    found = evaluate_products(tmp_path, "pixels", told.append)["products"]["plates"]

    assert (found["folds_by"], found["different_looks"]) == ("picture", 2)
    assert any("by picture" in line for line in told)


def test_a_part_named_anomalous_without_a_mask_is_anomalous_and_told(tmp_path: Path) -> None:
    folder = lay_out(tmp_path) / "plates"
    for number in range(12):
        name = f"{'broken' if number >= 8 else 'good'}_{number}.png"
        (folder / "all" / f"p{number}.png").rename(folder / "all" / name)
        if number == 8:
            (folder / "masks" / "p8.png").unlink()
        elif number > 8:
            (folder / "masks" / f"p{number}.png").rename(folder / "masks" / name)
    told: list[str] = []

    found = evaluate_products(tmp_path, "pixels", told.append)["products"]["plates"]

    assert (found["normal"], found["anomalous"]) == (8, 4)
    assert (found["anomalous_without_mask"], found["label_unsaid"]) == (1, 0)
    assert any("without a mask: 1 (broken_8.png)" in line for line in told)


def test_where_no_name_says_anything_the_pictures_without_a_mask_are_told(tmp_path: Path) -> None:
    product = find_products(lay_out(tmp_path))[0]

    assert [path.stem for path in product.unsaid] == [f"p{number}" for number in range(8)]


def test_a_defect_drawn_on_a_part_named_normal_is_refused_and_an_empty_mask_is_none(
    tmp_path: Path,
) -> None:
    folder = lay_out(tmp_path) / "plates"
    (folder / "all" / "p0.png").rename(folder / "all" / "ok-0.png")
    mask = np.zeros((90, 120), np.uint8)
    cv2.imwrite(str(folder / "masks" / "ok-0.png"), mask)
    assert find_products(tmp_path)[0].truth.sum() == 4

    cv2.imwrite(str(folder / "masks" / "ok-0.png"), cv2.circle(mask, (40, 40), 9, 255, -1))

    with pytest.raises(InputError, match=r"named normal.*1 \(ok-0.png\)"):
        find_products(tmp_path)


@pytest.mark.parametrize(
    ("name", "anomalous"),
    [
        ("all/normal-3.jpg", False),
        ("all/Anomaly_3.JPG", True),
        ("test/scratched/not-good-1.png", True),
        ("test/good/0001.png", False),
        ("good/broken_2.png", True),
        ("test/0001.png", None),
        ("test/no_defect_5.png", False),
    ],
)
def test_a_label_is_read_from_the_name_first_and_then_the_nearest_folder(
    name: str,
    anomalous: bool | None,  # noqa: FBT001 - a parameter of the table above
) -> None:
    assert named_anomalous(Path("parts") / name, Path("parts")) is anomalous
