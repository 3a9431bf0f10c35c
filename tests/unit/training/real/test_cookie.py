"""Products judged by normal ones: found by their masks, folds by look."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from mmindustry.errors import InputError
from mmindustry.training.real.cookie import alike, evaluate_products
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
