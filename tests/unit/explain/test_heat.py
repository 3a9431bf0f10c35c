"""Where on a flagged product the defect is: told by the heat map its bundle carries."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from mmindustry.errors import BundleError  # noqa: E402 - after the extra's guard
from mmindustry.fusion.bundle import (  # noqa: E402 - as above
    HEATMAP,
    builtin_bundle,
    read_bundle,
    write_bundle,
)
from mmindustry.fusion.engine import Engine  # noqa: E402 - as above
from mmindustry.fusion.explainer import Target, explanation_of  # noqa: E402 - as above
from mmindustry.fusion.heatmap import HeatmapNetwork, export_heatmap  # noqa: E402 - as above
from mmindustry.fusion.heatmap_runtime import STRIDE, HeatmapRuntime  # noqa: E402 - as above
from mmindustry.fusion.predictor import open_heatmap  # noqa: E402 - as above
from tests.noise import noise_contents, noise_manifest  # noqa: E402 - as above
from tests.unit.explain.material import Case, cases, engine  # noqa: E402 - as above

SIDE = 64


@cache
def model(side: int = SIDE) -> bytes:
    torch.manual_seed(3)
    return export_heatmap(HeatmapNetwork().eval(), side)


def seen() -> Case:
    """Return a window with a product in view."""
    return next(c for c in cases() if c.item.arrays["image_regions_mask"][2] > 0)


def test_a_product_is_explained_by_what_the_decoder_says_of_its_close_up() -> None:
    judge, item = engine().judge, seen().item
    region = judge.manifest.spec.recipe.regions.index("product")
    heatmap = HeatmapRuntime(model())
    explanation = explanation_of(
        Engine(judge, engine().runtime, heatmap), item, Target("product", "dent", 2)
    )

    told = explanation.document()

    drawn = told["crop"]
    assert isinstance(drawn, dict)
    heat = heatmap.heat(item.arrays["image_regions"][None, region])[0]
    chances = 1 / (1 + np.exp(-heat.astype(np.float64)))
    cells = SIDE // STRIDE
    assert drawn["grid"] == [cells, cells]
    corner = chances[:STRIDE, -STRIDE:].max()  # the first row's last cell
    assert drawn["defect"][cells - 1] == pytest.approx(corner, abs=6e-4)
    assert max(drawn["defect"]) == pytest.approx(chances.max(), abs=6e-4)
    assert told["runs"] == 2  # the network once, the decoder once


def test_a_fault_is_explained_as_before_where_there_is_a_heat_map() -> None:
    judge, item = engine().judge, seen().item
    target = Target("fault", judge.manifest.spec.faults[1], 1)
    with_map = Engine(judge, engine().runtime, HeatmapRuntime(model()))

    assert explanation_of(with_map, item, target).document(brief=True) == explanation_of(
        engine(), item, target
    ).document(brief=True)


def test_a_bundle_keeps_its_heat_map_under_its_hash(tmp_path: Path) -> None:
    manifest = noise_manifest()
    plain = write_bundle(tmp_path / "plain", manifest, noise_contents())
    mapped = write_bundle(tmp_path / "mapped", manifest, {**noise_contents(), HEATMAP: model()})

    bundle = read_bundle(tmp_path / "mapped")
    assert bundle.heatmap == model()
    assert mapped != plain
    assert read_bundle(tmp_path / "plain").heatmap is None
    (tmp_path / "mapped" / HEATMAP).write_bytes(model()[:-1] + b"x")
    with pytest.raises(BundleError, match=r"heatmap\.onnx"):
        read_bundle(tmp_path / "mapped")


def test_a_heat_map_of_another_size_is_refused_when_it_is_opened() -> None:
    bundle = replace(read_bundle(builtin_bundle()), heatmap=model(32))

    with pytest.raises(BundleError, match="pictures of 32, the recipe's are 64"):
        open_heatmap(bundle)
