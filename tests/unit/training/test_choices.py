"""What is kept of a run: soups, ensembles, stacks, searched settings, and what is shown of it."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import optuna
import pytest
import torch
from torch import Tensor, nn

from mmindustry.errors import BundleError, InputError, Interrupted
from mmindustry.features.spec import MODALITIES
from mmindustry.fusion.ensemble import Ensemble, make_network, new_stack
from mmindustry.fusion.export import export_onnx
from mmindustry.fusion.network import Network
from mmindustry.fusion.onnx_runtime import OnnxRuntime
from mmindustry.fusion.torch_runtime import TorchRuntime, open_torch
from mmindustry.fusion.weights import arrays_of
from mmindustry.training.batches import truth_of
from mmindustry.training.board import Board
from mmindustry.training.dataset import DataSet
from mmindustry.training.device import Team
from mmindustry.training.ensembles import choose, fault_loss, fit_stack
from mmindustry.training.held_out import WHOLE
from mmindustry.training.loop import Attend, fit
from mmindustry.training.losses import Lesson, Truth, class_prior
from mmindustry.training.policy import TrainingPolicy, epochs_for
from mmindustry.training.search import FILE, search
from mmindustry.training.soup import Ladle, mean_of
from tests.unit.training.test_loop import HELD, QUICK, ROWS, run, stop_after
from tests.unit.training.tiny import tiny_spec

DONE = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)


def state(value: float) -> dict[str, Tensor]:
    return {"w": torch.tensor([value]), "n": torch.tensor(3)}


class _Fixed(nn.Module):
    def __init__(self, value: float) -> None:
        super().__init__()
        self.register_buffer("w", torch.tensor([value]))
        self.register_buffer("n", torch.tensor(3))


def test_a_soup_takes_in_only_what_lowers_the_validation_loss() -> None:
    ladle, best = Ladle(3), dict[str, list[tuple[float, int]]]()
    for epoch, (weight, loss) in enumerate([(9.0, 5.0), (1.0, 0.5), (4.0, 0.9), (2.0, 0.7)]):
        ladle.taste(best, {WHOLE: loss}, epoch, network=_Fixed(weight))

    poured = ladle.poured(best, lambda one: {WHOLE: abs(float(one["w"]) - 1.4)})

    assert best == {WHOLE: [(0.5, 1), (0.7, 3), (0.9, 2)]}
    assert float(poured["w"]) == pytest.approx(1.5)
    assert int(poured["n"]) == 3
    again = Ladle(3)
    again.fill(ladle.tensors(), _Fixed(0.0))
    assert float(again.poured(best, lambda _: {WHOLE: 9.0})["w"]) == 1.0


def test_each_part_of_the_weights_is_taken_from_its_own_best_epochs() -> None:
    epochs = networks(4)
    told = [{"image": 4.0, "text": 1.0}, {"image": 3.0, "text": 2.0}, {"image": 2.0, "text": 3.0}]
    told = [{**each, WHOLE: sum(each.values())} for each in [*told, {"image": 2.5, "text": 9.0}]]
    ladle, best = Ladle(2), dict[str, list[tuple[float, int]]]()
    for epoch, (network, losses) in enumerate(zip(epochs, told, strict=True)):
        ladle.taste(best, losses, epoch, network=network)
    states = [network.state_dict() for network in epochs]
    mixed = (states[2]["image.thin.0.weight"] + states[3]["image.thin.0.weight"]) / 2

    def losses_of(state: dict[str, Tensor]) -> dict[str, float]:
        """Mixing helps pictures alone."""
        helped = torch.equal(state["image.thin.0.weight"], mixed)
        return {"image": 1.0 if helped else 2.0, "text": 1.0, WHOLE: 2.0 if helped else 3.0}

    poured = ladle.poured(best, losses_of)

    assert set(poured) == set(states[0])
    assert best["image"] == [(2.0, 2), (2.5, 3)]
    for name, tensor in poured.items():
        if name.startswith(("image.", "product.", "gauges.", "faults.0.")):
            expected = mean_of([states[2], states[3]])[name]
        else:  # sound has no loss of its own here, and goes with what belongs to nobody
            expected = states[0][name]
        assert torch.equal(tensor, expected), name


def networks(count: int) -> list[Network]:
    torch.manual_seed(3)
    return [Network(tiny_spec(), [0.5, 0.3, 0.2]).eval() for _ in range(count)]


def test_an_ensemble_answers_the_mean_and_the_prior_where_nothing_is_present(
    tiny: DataSet,
) -> None:
    members = networks(3)
    stack = new_stack(tiny.spec)
    arrays = {n: torch.from_numpy(a) for n, a in tiny.batch(np.arange(6)).items()}

    mean = Ensemble(members, stack).eval()(arrays)
    nn.init.normal_(stack.weight)
    moved = Ensemble(members, stack).eval()(arrays)
    nothing = Ensemble(members, stack).eval()({**arrays, "present": arrays["present"] * 0})

    each = torch.stack([member(arrays).evidence for member in members])
    torch.testing.assert_close(mean.evidence, each.mean(0))
    assert not torch.allclose(moved.evidence, mean.evidence)
    assert not nothing.evidence.any()


def test_an_ensemble_is_exported_as_one_and_its_weights_load_again(tiny: DataSet) -> None:
    members, stack = networks(2), new_stack(tiny.spec)
    nn.init.normal_(stack.weight)
    ensemble = Ensemble(members, stack).eval()
    batch = tiny.batch(np.arange(5))

    exported = OnnxRuntime(export_onnx(ensemble)).run(batch)
    spec = replace(tiny.spec, members=2, stacked=True)
    loaded = open_torch(spec, arrays_of(ensemble), device="cpu", half=False).run(batch)

    for name, expected in TorchRuntime(ensemble).run(batch)._asdict().items():
        np.testing.assert_allclose(getattr(exported, name), expected, atol=1e-4, err_msg=name)
        np.testing.assert_array_equal(getattr(loaded, name), expected, err_msg=name)
    with pytest.raises(BundleError, match="do not fit"):
        open_torch(tiny.spec, arrays_of(ensemble), device="cpu", half=False)
    assert isinstance(make_network(tiny.spec, [1.0] * 3), Network)


def test_a_stack_learns_whom_to_believe_and_nothing_from_nothing() -> None:
    random = torch.Generator().manual_seed(1)
    faults = torch.randint(3, (400,), generator=random)
    modal = torch.randn(400, 3, 3, generator=random)
    modal[:, 1] += 3.0 * nn.functional.one_hot(faults, 3)
    fused = torch.randn(400, 3, generator=random)
    log_prior = torch.log(torch.full((3,), 1 / 3))

    stack = fit_stack((modal, fused), faults, log_prior, new_stack(tiny_spec()))
    told = fused + stack(torch.cat([modal.flatten(1), fused], dim=-1))

    assert fault_loss(told, faults, log_prior) < 0.5 * fault_loss(fused, faults, log_prior)
    weight = stack.weight.abs().reshape(3, len(MODALITIES) + 1, 3).sum((0, 2))
    assert weight.argmax() == 1


def test_of_folds_and_a_single_network_the_one_is_taken_that_validation_prefers(
    tiny: DataSet, tmp_path: Path
) -> None:
    policy = replace(QUICK, epochs=1)
    single = run(tiny, policy)
    told: list[str] = []
    attend = Attend(tell=told.append, checkpoint=tmp_path)

    chosen = choose(tiny, single, rows=ROWS, validate=HELD, plan=(policy, 2, attend))

    assert set(chosen.losses) == {"single", "ensemble", "stacked"}
    assert chosen.losses[chosen.name] == min(chosen.losses.values())
    assert len(chosen.folds) == 2
    assert told[-1].endswith(chosen.name)
    assert {path.name for path in tmp_path.iterdir()} == {"fold-1", "fold-2"}


def test_a_search_goes_on_where_it_was_cut_and_begins_with_the_settings_it_has(
    tiny: DataSet, tmp_path: Path
) -> None:
    policy = replace(QUICK, epochs=1)
    cut = Attend(checkpoint=tmp_path, stop=stop_after(6))

    with pytest.raises(Interrupted):
        search(tiny, ROWS, policy, trials=3, attend=cut)
    told: list[str] = []
    found = search(
        tiny, ROWS, policy, trials=3, attend=Attend(checkpoint=tmp_path, tell=told.append)
    )
    again = search(tiny, ROWS, policy, trials=3, attend=Attend(checkpoint=tmp_path))

    assert (tmp_path / FILE).exists()
    assert found.trials == again.trials == 3
    assert len(told) == 2
    assert found.policy == again.policy
    assert found.loss > 0
    with pytest.raises(InputError, match="other windows or settings"):
        search(tiny, ROWS[:-1], policy, trials=3, attend=Attend(checkpoint=tmp_path))
    with pytest.raises(InputError, match="no folder"):
        search(tiny, ROWS, policy, trials=3, attend=Attend())
    together = Attend(checkpoint=tmp_path, team=Team(rank=0, size=2))
    with pytest.raises(InputError, match="without torchrun"):
        search(tiny, ROWS, policy, trials=3, attend=together)


@pytest.mark.parametrize("steps", [2, 14])
def test_a_search_that_was_cut_tries_the_same_settings_as_one_that_was_not(
    tiny: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    learning = partial(optuna.samplers.TPESampler, n_startup_trials=1)
    monkeypatch.setattr("optuna.samplers.TPESampler", learning)  # else it draws at random first
    policy = replace(QUICK, epochs=1)

    cut = Attend(checkpoint=tmp_path / "cut", stop=stop_after(steps))
    with pytest.raises(Interrupted):
        search(tiny, ROWS, policy, trials=4, attend=cut)
    again = search(tiny, ROWS, policy, trials=4, attend=Attend(checkpoint=tmp_path / "cut"))
    whole = search(tiny, ROWS, policy, trials=4, attend=Attend(checkpoint=tmp_path / "whole"))

    assert tried(tmp_path / "cut") == tried(tmp_path / "whole")
    assert again == whole


def tried(folder: Path) -> list[dict[str, float]]:
    """Return the settings of the trials that were done, in order."""
    study = optuna.load_study(study_name="train", storage=f"sqlite:///{folder / FILE}")
    return [one.params for one in study.get_trials() if one.state in DONE]


def test_event_files_are_written(tiny: DataSet, tmp_path: Path) -> None:
    board = Board(tmp_path)

    fit(
        tiny,
        rows=ROWS,
        validate=HELD,
        policy=replace(QUICK, epochs=1),
        attend=Attend(watch=(board,)),
    )
    fit(
        tiny,
        rows=ROWS,
        validate=HELD,
        policy=replace(QUICK, epochs=1),
        attend=Attend(watch=(board,), part="fold-1"),
    )
    board.close()
    assert len([*(tmp_path / "fold-1").glob("events.out.tfevents.*")]) == 1

    (events,) = tmp_path.glob("events.out.tfevents.*")
    content = events.read_bytes()
    for name in (b"step/loss", b"step/rate", b"terms/hazard", b"epoch/held_out"):
        assert name in content


def truth(faults: list[int], machines: list[int], begins: list[float]) -> Truth:
    count = len(faults)
    nothing = torch.zeros(count)
    return Truth(
        torch.tensor(faults), torch.full((count,), -1), nothing.long(), nothing, nothing,
        torch.full((count, 1), torch.nan), torch.tensor(machines), torch.tensor(begins),
    )  # fmt: skip


def test_windows_of_one_fault_or_of_one_machine_and_half_hour_are_not_contrasted() -> None:
    nan = float("nan")
    one = truth([0, 1, 2, 2, 1], [7, 7, 7, 8, 9], [0.0, 1700.0, 1900.0, 0.0, nan])

    alike = one.alike(1800.0)

    assert alike.tolist() == [
        [True, True, False, False, False],
        [True, True, True, False, True],
        [False, True, True, True, False],
        [False, False, True, True, False],
        [False, True, False, False, True],
    ]


def test_what_is_alike_comes_from_the_labels_of_the_data_set(tiny: DataSet) -> None:
    rows = np.arange(12)
    known = truth_of(tiny.targets().take(rows), np.array([0.0, 1.0, 2.0]))

    assert known.begin[6] - known.begin[0] == 600.0
    assert known.machine[0] == known.machine[6]
    assert bool(known.alike(700.0)[0, 6])


@pytest.mark.parametrize("focus", [0.0, 2.0])
def test_focal_loss_looks_at_what_is_unsure(focus: float) -> None:
    lesson = Lesson(networks(1)[0], TrainingPolicy(product_focus=focus), None)
    sure, unsure = torch.tensor([[4.0, -4.0]]), torch.tensor([[0.2, 0.0]])
    product = torch.tensor([0])

    ratio = float(lesson._products(sure, product) / lesson._products(unsure, product))  # noqa: SLF001 - the term alone

    assert ratio < (1e-6 if focus else 1e-2)
    assert lesson._products(sure, torch.tensor([-1])) == 0  # noqa: SLF001 - the term alone


def test_rare_classes_weigh_more_where_weights_are_asked_for() -> None:
    prior = class_prior(np.array([0] * 8 + [1]), 3)
    network = networks(1)[0]
    one = truth([0, 1], [0, 0], [0.0, 0.0])
    evidence = torch.zeros(2, 3)

    plain = Lesson(network, QUICK, None)._faults(evidence, one)  # noqa: SLF001 - the term alone
    heavy = Lesson(network, QUICK, (1 / 3) / prior)._faults(evidence, one)  # noqa: SLF001 - the term alone

    assert heavy > plain


def test_few_windows_get_more_passes() -> None:
    assert [epochs_for(count) for count in (100, 500, 2000, 5450, 100_000)] == [24, 24, 24, 24, 8]
