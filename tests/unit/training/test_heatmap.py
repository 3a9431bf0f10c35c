"""The heat map network: what its loss asks for, that it learns, and that ONNX says the same."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from mmindustry.errors import InputError  # noqa: E402 - after the extra's guard
from mmindustry.fusion.heatmap import (  # noqa: E402 - after the extra's guard
    HeatmapNetwork,
    export_heatmap,
    heatmap_loss,
)
from mmindustry.fusion.heatmap_runtime import HeatmapRuntime, planes  # noqa: E402 - as above
from mmindustry.simulate.lane import lane_pictures  # noqa: E402 - as above
from mmindustry.simulate.policy import SimulatePolicy  # noqa: E402 - as above
from mmindustry.simulate.product import DEFECTS  # noqa: E402 - as above
from mmindustry.training.heatmap import (  # noqa: E402 - as above
    HeatmapPlan,
    Masked,
    control_heats,
    fit_heatmap,
    heat_figures,
)
from mmindustry.training.heatmap_lane import LaneRun, lane_masked  # noqa: E402 - as above

SIDE = 32


def spotted(count: int, seed: int) -> Masked:
    """Return noise in changing light, a dark and a bright square on each, the dark one a defect
    where there is one."""
    random = np.random.default_rng(seed)
    pictures = random.normal(120, 6, (count, SIDE, SIDE, 3))
    masks = np.zeros((count, SIDE, SIDE), np.bool_)
    for k in range(count):
        (x, y), (u, v) = random.integers(2, SIDE - 8, (2, 2))
        pictures[k, u : u + 6, v : v + 6] += 50
        if k % 2:
            pictures[k, x : x + 6, y : y + 6] = 80
            masks[k, x : x + 6, y : y + 6] = True
        pictures[k] *= random.uniform(0.5, 1.4)
    states = np.where(np.arange(count) % 2, "spot", "good")
    groups = np.array([f"machine-{k // 4}" for k in range(count)])
    return Masked(pictures.clip(0, 255).astype(np.uint8), masks, groups, states)


def silent(message: str) -> None:
    del message


def test_the_network_is_small_and_says_one_logit_a_pixel() -> None:
    network = HeatmapNetwork()

    said = network(torch.rand(2, 3, SIDE, SIDE))

    assert said.shape == (2, 1, SIDE, SIDE)
    assert sum(weight.numel() for weight in network.parameters()) <= 150_000


def test_every_weight_is_taught() -> None:
    network = HeatmapNetwork()
    masks = torch.zeros(2, 1, SIDE, SIDE)
    masks[0, 0, 4:9, 4:9] = 1

    heatmap_loss(network(torch.rand(2, 3, SIDE, SIDE)), masks).backward()  # type: ignore[no-untyped-call]  # torch ships it so

    for name, weight in network.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().sum() > 0, name


def test_a_batch_of_good_pictures_asks_for_nothing_but_cold_pixels() -> None:
    logits = torch.full((3, 1, 8, 8), -2.0, requires_grad=True)

    loss = heatmap_loss(logits, torch.zeros(3, 1, 8, 8))
    loss.backward()  # type: ignore[no-untyped-call]  # torch ships it so

    assert loss.item() == pytest.approx(np.log1p(np.exp(-2.0)), rel=1e-5)  # cross-entropy alone
    assert logits.grad is not None
    assert (logits.grad > 0).all()


def test_a_good_picture_beside_a_bad_one_does_not_change_its_overlap() -> None:
    masks = torch.zeros(2, 1, 8, 8)
    masks[0, 0, :4] = 1
    logits = torch.where(masks > 0, 1.5, -1.5)

    both, alone = heatmap_loss(logits, masks), heatmap_loss(logits[:1], masks[:1])

    assert both.item() == pytest.approx(alone.item(), rel=1e-5)


def test_a_perfect_map_costs_nothing() -> None:
    masks = torch.zeros(2, 1, 8, 8)
    masks[0, 0, 2:5, 2:5] = 1

    assert heatmap_loss(torch.where(masks > 0, 40.0, -40.0), masks).item() < 1e-6


@pytest.fixture(scope="module")
def taught() -> HeatmapNetwork:
    plan = HeatmapPlan(epochs=12, batch=8, light=0.05)
    return fit_heatmap(spotted(48, 1), plan, silent)


@pytest.fixture(scope="module")
def served(taught: HeatmapNetwork) -> HeatmapRuntime:
    return HeatmapRuntime(export_heatmap(taught, SIDE))


def test_it_finds_what_masks_taught_and_controls_do_not(served: HeatmapRuntime) -> None:
    known, kept = spotted(48, 1), spotted(24, 2)
    heat = served.heat(planes(kept.pictures))

    found = heat_figures(kept, heat)
    controls = {
        name: heat_figures(kept, other) for name, other in control_heats(known, kept, 3).items()
    }

    assert found["pixel_ap"] > 0.9
    assert found["image_auroc"] > 0.95
    assert set(controls) == {"brightness", "place", "random"}
    for name, control in controls.items():
        assert control["pixel_ap"] < 0.5, name


@pytest.mark.parametrize("batch", [1, 3])
def test_onnx_says_what_the_network_says_at_any_batch(
    taught: HeatmapNetwork, served: HeatmapRuntime, batch: int
) -> None:
    pictures = spotted(batch, 5).pictures
    with torch.no_grad():
        expected = taught(torch.from_numpy(planes(pictures)))[:, 0].numpy()

    said = served.heat(planes(pictures))

    np.testing.assert_allclose(said, expected, atol=2e-4)


def test_the_same_plan_teaches_the_same_weights() -> None:
    known, plan = spotted(8, 3), HeatmapPlan(epochs=1, batch=4)
    torch.manual_seed(1)
    first = fit_heatmap(known, plan, silent).state_dict()
    torch.manual_seed(2)
    again = fit_heatmap(known, plan, silent).state_dict()
    other = fit_heatmap(known, replace(plan, seed=8), silent).state_dict()

    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["say.weight"], other["say.weight"])


def test_a_map_is_not_learned_where_nothing_is_marked() -> None:
    known = spotted(8, 3)

    with pytest.raises(InputError, match="0 with a defect"):
        fit_heatmap(known[~known.defective], HeatmapPlan(), silent)


def test_a_side_that_does_not_halve_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 4"):
        export_heatmap(HeatmapNetwork(), 30)


def test_lane_pictures_show_defects_where_the_mask_says_and_none_on_good_parts() -> None:
    policy = SimulatePolicy(seed=5, assets=4, missing_share=0.0, sensor_fault_share=0.0)

    shown = list(lane_pictures(24, policy))

    assert len(shown) == 24
    assert {"good", "empty"} < {one.state for one in shown}
    for one in shown:
        assert one.mask.any() == (one.state in DEFECTS)


def test_the_product_is_cut_out_with_its_mask() -> None:
    shown = lane_masked(LaneRun(windows=24, machines=4, seed=5), silent)

    assert shown.pictures.shape == (24, 64, 64, 3)
    assert shown.masks.shape == (24, 64, 64)
    assert (shown.defective == np.isin(shown.states, DEFECTS)).all()


def test_too_few_machines_to_keep_some_apart_are_refused() -> None:
    with pytest.raises(InputError, match="too few"):
        LaneRun(windows=100, machines=3)
