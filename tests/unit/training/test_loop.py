"""A run repeats itself, goes on from wherever it was cut, and adds up whatever parts it takes."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mmindustry.errors import ConfigError, InputError, Interrupted
from mmindustry.fusion.bundle import read_bundle
from mmindustry.fusion.onnx_runtime import OnnxRuntime
from mmindustry.training.batches import open_batches
from mmindustry.training.checkpoint import FILE
from mmindustry.training.dataset import DataSet
from mmindustry.training.device import Precision, Team, open_device, open_precision, place_encoders
from mmindustry.training.gradients import Gradients
from mmindustry.training.loop import Attend, Moment, Trained, fit, new_lesson, train
from mmindustry.training.losses import class_prior
from mmindustry.training.obeying import Stoppable, obeying
from mmindustry.training.policy import AugmentPolicy, TrainingPolicy
from mmindustry.training.repeatable import KERNELS
from mmindustry.training.steps import hold_norms, make_optimizer, rate_at, set_rate
from tests.noise import noise_bundle, noise_features, noise_spec

ROWS, HELD = np.arange(42), np.arange(42, 60)
QUICK = TrainingPolicy(epochs=3, batch=8, averaging=0.9)
CPU = torch.device("cpu")
SINGLE = Precision(None, "cpu")


def run(data: DataSet, policy: TrainingPolicy = QUICK, **attend: Any) -> Trained:
    return fit(data, rows=ROWS, validate=HELD, policy=policy, attend=Attend(**attend))


def assert_same_weights(one: Trained, other: Trained) -> None:
    for name, tensor in one.network.state_dict().items():
        assert torch.equal(tensor, other.network.state_dict()[name]), name


def stop_after(steps: int) -> Callable[[], bool]:
    left = iter(range(steps))
    return lambda: next(left, None) is None


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_run_cut_in_the_middle_of_an_epoch_goes_on_to_the_same_weights(
    tiny: DataSet, tmp_path: Path, optimizer: str
) -> None:
    policy = replace(QUICK, optimizer=optimizer, weighting="uncertainty")
    whole = run(tiny, policy)
    told: list[str] = []

    for steps in (4, 5):
        with pytest.raises(Interrupted, match="the same command goes on"):
            run(tiny, policy, checkpoint=tmp_path, stop=stop_after(steps))
    again = run(tiny, policy, checkpoint=tmp_path, tell=told.append)

    assert told[0] == "going on after epoch 1, step 3 of 6"
    assert again.losses == whole.losses
    assert_same_weights(whole, again)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def trained_elsewhere(folder: Path, checkpoint: Path, weights: Path, *, killed: bool) -> int:
    """Train in a process of its own with the kernels of `train`; return its exit code.

    In this process, with kernels of its own choice and the heap that other tests left, sums may be
    taken in another order than in the one that was killed.
    """
    program = f"""
        import os, signal
        from pathlib import Path
        import torch
        from mmindustry.fusion.weights import arrays_of, pack
        from mmindustry.training.dataset import DataSet
        from mmindustry.training.loop import Attend, fit
        from tests.unit.training.test_loop import HELD, QUICK, ROWS
        from tests.unit.training.tiny import tiny_spec
        torch.set_num_threads(1)
        data = DataSet(tiny_spec(), [Path({str(folder)!r})])
        def watch(moment):
            if {killed} and moment.epoch == 1 and moment.step == 2:
                os.kill(os.getpid(), signal.SIGKILL)
        attend = Attend(watch=(watch,), checkpoint=Path({str(checkpoint)!r}))
        trained = fit(data, rows=ROWS, validate=HELD, policy=QUICK, attend=attend)
        Path({str(weights)!r}).write_bytes(pack(arrays_of(trained.network)))
        """
    environment = {**os.environ, **KERNELS, "PYTHONPATH": str(Path.cwd())}
    command = [sys.executable, "-c", textwrap.dedent(program)]
    return subprocess.run(command, check=False, env=environment).returncode


def test_a_run_that_was_killed_goes_on_to_the_same_weights(tiny: DataSet, tmp_path: Path) -> None:
    folder, weights = tiny.folders[0], [tmp_path / name for name in ("cut", "again", "whole")]

    cut = trained_elsewhere(folder, tmp_path / "kept", weights[0], killed=True)
    assert (cut, weights[0].exists()) == (-signal.SIGKILL, False)
    assert (tmp_path / "kept" / FILE).exists()
    assert trained_elsewhere(folder, tmp_path / "kept", weights[1], killed=False) == 0
    assert trained_elsewhere(folder, tmp_path / "other", weights[2], killed=False) == 0

    assert weights[1].read_bytes() == weights[2].read_bytes()


def test_a_run_that_was_finished_is_not_trained_again(tiny: DataSet, tmp_path: Path) -> None:
    first = run(tiny, checkpoint=tmp_path)
    seen: list[Moment] = []

    again = run(tiny, checkpoint=tmp_path, watch=(seen.append,))

    assert seen == []
    assert_same_weights(first, again)


def test_a_checkpoint_of_another_run_is_refused(tiny: DataSet, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        run(tiny, checkpoint=tmp_path, stop=stop_after(1))

    with pytest.raises(InputError, match=r"learning_rate is 0\.003 there, 0\.001 here"):
        run(tiny, replace(QUICK, learning_rate=1e-3), checkpoint=tmp_path)
    with pytest.raises(InputError, match="another data"):
        fit(tiny, rows=ROWS[:-1], validate=HELD, policy=QUICK, attend=Attend(checkpoint=tmp_path))


def test_a_damaged_checkpoint_is_refused(tiny: DataSet, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        run(tiny, checkpoint=tmp_path, stop=stop_after(1))
    content = bytearray((tmp_path / FILE).read_bytes())
    content[-5] ^= 1
    (tmp_path / FILE).write_bytes(content)

    with pytest.raises(InputError, match=r"damaged .* delete it to begin anew"):
        run(tiny, checkpoint=tmp_path)

    (tmp_path / FILE).write_bytes(b"torn")
    with pytest.raises(InputError, match=r"not a readable checkpoint .* delete it to begin anew"):
        run(tiny, checkpoint=tmp_path)


def test_what_follows_the_training_stops_at_the_next_line_and_keeps_the_run(
    tmp_path: Path,
) -> None:
    heard: list[str] = []
    asked = iter([False, True])
    attend = obeying(
        Attend(tell=heard.append, stop=lambda: next(asked), checkpoint=tmp_path, part="fold-1")
    )

    attend.tell("measuring")
    with pytest.raises(Interrupted, match=rf"before the bundle was written; .* {tmp_path}"):
        attend.tell("heat map")

    assert heard == ["measuring"]
    assert (attend.checkpoint, attend.part) == (tmp_path / "control", "")
    assert obeying(Attend()).checkpoint is None


def test_measuring_stops_at_the_next_batch(tmp_path: Path) -> None:
    asked = iter([False, True])
    model = OnnxRuntime(read_bundle(noise_bundle()).model)
    attend = Attend(stop=lambda: next(asked), checkpoint=tmp_path)
    runtime = Stoppable(model, attend)
    arrays = {name: noise_features(1).arrays[name][None] for name in noise_spec().inputs}

    np.testing.assert_array_equal(runtime.run(arrays).evidence, model.run(arrays).evidence)
    with pytest.raises(Interrupted, match=rf"before the bundle was written; .* {tmp_path}"):
        runtime.run(arrays)


def test_without_a_checkpoint_an_interrupted_run_says_that_nothing_was_kept(tiny: DataSet) -> None:
    with pytest.raises(Interrupted, match="nothing was kept"):
        run(tiny, stop=stop_after(2))


@pytest.mark.parametrize(
    "changed",
    [
        {"optimizer": "adam", "schedule": "cosine", "dropout": 0.0},
        {
            "optimizer": "sgd",
            "learning_rate": 0.1,
            "schedule": "step",
            "step_epochs": 1,
            "micro_batch": 3,
        },
        {"balance": "sampler", "weighting": "uncertainty", "product_focus": 2.0},
        {"balance": "weights", "norm_epochs": 1, "precision": "bf16", "soup": 1},
        {"fusion": "alignment", "augment": AugmentPolicy(outages=0.5, background=0.5, crop=0.2)},
    ],
    ids=lambda changed: "-".join(map(str, changed.values()))[:40],
)
def test_every_setting_trains_and_repeats_itself(tiny: DataSet, changed: dict[str, Any]) -> None:
    policy = replace(QUICK, epochs=2, **changed)

    first, second = run(tiny, policy), run(tiny, policy)

    assert np.isfinite(first.losses).all()
    assert first.losses[1][0] < first.losses[0][0]
    assert_same_weights(first, second)


def gradients(
    data: DataSet, policy: TrainingPolicy, *, micro: int, full: Callable[[int], bool]
) -> tuple[dict[str, Tensor], Tensor, list[str], int]:
    """Return the gradients of one batch on a device that is full where `full(windows)` says so."""
    lesson = new_lesson(data, policy, class_prior(data.targets().fault, 3), CPU)
    hold_norms(lesson.train())
    served = open_batches(data, ROWS, policy, CPU)
    arrays, truth = served.load_changed(ROWS[:16], seed=1)

    def forget(_: object, given: tuple[Any, ...]) -> None:
        if full(len(given[0]["present"])):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")

    lesson.network.fusion.register_forward_pre_hook(lambda *_: None)
    lesson.network.image.register_forward_pre_hook(forget)
    back = Gradients(lesson, SINGLE, Team(), micro=micro)
    told: list[str] = []
    terms = back.leave((arrays, truth, truth.counts()), 1, told.append)
    found = {n: p.grad for n, p in lesson.named_parameters() if p.grad is not None}
    return found, terms, told, back.micro


def test_a_batch_that_finds_no_room_goes_in_halves_with_the_same_gradients(tiny: DataSet) -> None:
    policy = replace(QUICK, dropout=0.0, aligning=0.0)

    whole, terms, _, _ = gradients(tiny, policy, micro=16, full=lambda _: False)
    parts, again, told, micro = gradients(tiny, policy, micro=16, full=lambda n: n > 4)

    assert (micro, len(told)) == (4, 2)
    assert "4 windows at a time" in told[-1]
    assert set(whole) == set(parts)
    for name, gradient in whole.items():
        torch.testing.assert_close(parts[name], gradient, atol=1e-6, rtol=1e-4, msg=name)
    torch.testing.assert_close(terms, again, atol=1e-5, rtol=1e-5)


def test_no_room_for_two_windows_is_an_error_and_another_error_is_not_swallowed(
    tiny: DataSet,
) -> None:
    with pytest.raises(InputError, match="smaller micro_batch"):
        gradients(tiny, QUICK, micro=16, full=lambda _: True)

    def broken(_: int) -> bool:
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes"):
        gradients(tiny, QUICK, micro=16, full=broken)


def test_an_encoder_elsewhere_gets_what_it_reads_and_gives_back_what_it_says(
    tiny: DataSet,
) -> None:
    policy = replace(QUICK, placement={"image": "cpu", "text": "cpu"})
    moves: list[tuple[int, ...]] = []

    def move(tensor: Tensor, device: torch.device) -> Tensor:
        assert device == CPU
        moves.append(tuple(tensor.shape))
        return tensor * 1.0

    lesson = new_lesson(tiny, replace(policy, placement={}), np.full(3, 1 / 3), CPU)
    arrays, _ = open_batches(tiny, ROWS, policy, CPU).load(ROWS[:4])
    before = lesson.network.eval()(arrays)

    place_encoders(lesson.network, policy, CPU, move)
    after = lesson.network(arrays)
    after.evidence.sum().backward()

    assert torch.equal(before.evidence, after.evidence)
    assert (4, 2, 3, 32, 32) in moves
    assert (4, 2, 8) in moves
    assert (4, 1, 16, 16) not in moves
    assert any(p.grad is not None and p.grad.any() for p in lesson.network.image.parameters())
    short = replace(QUICK, epochs=1)
    assert_same_weights(run(tiny, short), run(tiny, replace(short, placement={"image": "cpu"})))


def test_devices_that_are_not_here_are_named() -> None:
    assert open_device("cpu") == CPU
    if not torch.cuda.is_available():
        assert open_device("auto") == CPU
        with pytest.raises(ConfigError, match="cuda:3"):
            open_device("cuda:3")
    with pytest.raises(ConfigError, match="fp16"):
        open_precision("fp16", CPU)
    assert open_precision("auto", CPU).kind is None


def test_one_cycle_is_that_of_torch() -> None:
    policy = TrainingPolicy(epochs=4)
    weight = torch.nn.Parameter(torch.zeros(2, 2))
    ours, theirs = (torch.optim.AdamW([weight], 3e-3) for _ in range(2))
    schedule = torch.optim.lr_scheduler.OneCycleLR(theirs, 3e-3, total_steps=40, pct_start=0.15)

    for step in range(40):
        rate = set_rate(ours, policy, step=step, steps=40)
        assert rate == pytest.approx(theirs.param_groups[0]["lr"], rel=1e-9)
        assert ours.param_groups[0]["betas"] == pytest.approx(theirs.param_groups[0]["betas"])
        theirs.step()
        if step < 39:
            schedule.step()


@pytest.mark.parametrize("schedule", ["cosine", "step"])
def test_schedules_rise_to_the_peak_and_fall(schedule: str) -> None:
    policy = TrainingPolicy(schedule=schedule, epochs=10, step_epochs=4)

    rates = np.array([rate_at(policy, step=step, steps=100)[0] for step in range(100)])

    assert (np.diff(rates[:15]) > 0).all()
    assert rates.max() <= 1.0
    assert (np.diff(rates[16:]) <= 0).all()
    assert rates[-1] == pytest.approx(0.0003 if schedule == "cosine" else 0.09, abs=1e-4)


def test_learned_weights_of_losses_stay_in_range_and_have_a_rate_of_their_own(
    tiny: DataSet,
) -> None:
    policy = replace(QUICK, weighting="uncertainty", weighting_rate=5.0)
    lesson = new_lesson(tiny, policy, np.full(3, 1 / 3), CPU)
    optimizer = make_optimizer(lesson, policy)
    assert lesson.spread is not None
    start = lesson.spread.detach().clone()
    served = open_batches(tiny, ROWS, policy, CPU)
    arrays, truth = served.load_changed(ROWS, seed=1)
    back = Gradients(lesson, SINGLE, Team(), micro=64)

    for step in range(3):
        set_rate(optimizer, policy, step=step, steps=3)
        back.leave((arrays, truth, truth.counts()), 1, lambda _: None)
        back.apply(optimizer, 1.0)

    assert optimizer.param_groups[-1]["lr"] == 5.0
    assert start[0] == pytest.approx(0.0)
    assert start[4] == pytest.approx(-np.log(policy.product), abs=1e-5)
    assert lesson.spread.abs().max() <= 3.0
    assert not torch.equal(lesson.spread.detach(), start)


def test_watchers_see_each_step_and_each_epoch(tiny: DataSet) -> None:
    seen: list[Moment] = []

    run(tiny, replace(QUICK, epochs=2), watch=(seen.append,))

    assert [m.held is not None for m in seen] == ([False] * 6 + [True]) * 2
    assert set(seen[0].terms) == {
        "fault",
        "alone",
        "aligning",
        "hazard",
        "product",
        "gauges",
        "speed",
    }
    assert seen[0].rate == pytest.approx(QUICK.learning_rate / 25)


def test_train_is_fit_with_no_one_attending(tiny: DataSet) -> None:
    policy = replace(QUICK, epochs=1)

    trained = train(tiny, rows=ROWS, validate=HELD, policy=policy, tell=lambda _: None)

    assert_same_weights(trained, run(tiny, policy))
