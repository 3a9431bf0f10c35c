"""Training sums in one order on every processor that can."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from mmindustry.cli import evaluate_missing
from mmindustry.cli.train import train
from mmindustry.fusion.fusions import FUSIONS
from mmindustry.training.dataset import DataSet
from mmindustry.training.examples import Order, make_data
from mmindustry.training.heatmap import HeatmapPlan, Masked, fit_heatmap
from mmindustry.training.loop import train as train_network
from mmindustry.training.policy import TrainingPolicy
from mmindustry.training.repeatable import KERNELS, pin_kernels, pin_matrices
from tests.noise import noise_spec
from tests.unit.training.tiny import tiny_data

_SAY = (
    "import os; from mmindustry.training.repeatable import pin_kernels; pin_kernels(os.environ); "
    "import torch; print(torch.backends.cpu.get_cpu_capability())"
)


AVX2 = " avx2 " in Path("/proc/cpuinfo").read_text()


def capability(**environment: str) -> str:
    bare = {name: value for name, value in os.environ.items() if name not in KERNELS}
    said = subprocess.run(
        [sys.executable, "-c", _SAY],
        check=True,
        capture_output=True,
        text=True,
        env={**bare, **environment},
    )
    return said.stdout.strip()


def test_pinned_torch_uses_the_plain_instructions_unless_told_otherwise() -> None:
    assert capability() == "DEFAULT"
    assert capability(ATEN_CPU_CAPABILITY="avx2") in {"AVX2", "DEFAULT"}


def test_what_is_asked_for_in_so_many_words_is_kept() -> None:
    asked = {"MKL_CBWR": "AVX2"}

    found = pin_kernels(asked)

    assert found == asked == {**KERNELS, "MKL_CBWR": "AVX2"}


_BEFORE = ("aten::", "aten::_foreach_")
_STEPS = {
    "adamw": "aten::_fused_adamw_",
    "adam": "aten::_fused_adam_",
    "sgd": "aten::add_",
}
BY_ESTIMATE = {"sqrt", "asin", "acos", "atan"}
"""What MKL computes from the processor's own estimate of 1 / sqrt(x), which makers choose: of all
that torch asks MKL's vector functions, what came out otherwise under an emulator whose estimate is
exact."""


@contextmanager
def nothing_by_estimate(optimizer: str = "adamw") -> Iterator[None]:
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as seen:
        yield
    asked = {event.key for event in seen.key_averages()}
    assert asked >= {"aten::convolution_backward", _STEPS[optimizer]}
    by_estimate = [a + name + b for a in _BEFORE for name in BY_ESTIMATE for b in ("", "_")]
    assert not asked.intersection(by_estimate)


@pytest.mark.parametrize(
    ("fusion", "optimizer"),
    [*((fusion, "adamw") for fusion in sorted(FUSIONS)), ("late", "adam"), ("late", "sgd")],
)
def test_no_fusion_is_trained_by_what_hangs_on_the_processor(
    tmp_path: Path, fusion: str, optimizer: str
) -> None:
    data = tiny_data(tmp_path, 16, fusion)
    policy = TrainingPolicy(fusion=fusion, optimizer=optimizer, epochs=1, batch=8, device="cpu")

    with nothing_by_estimate(optimizer):
        train_network(data, rows=np.arange(8), validate=np.arange(8, 16), policy=policy, tell=print)


def test_no_heat_map_is_trained_by_what_hangs_on_the_processor() -> None:
    pictures = np.random.default_rng(1).integers(0, 255, (4, 32, 32, 3), np.uint8)
    masks = np.zeros((4, 32, 32), np.bool_)
    masks[0, 8:16, 8:16] = True
    known = Masked(pictures, masks, np.array(list("aabb")), np.array(["spot", *["good"] * 3]))

    with nothing_by_estimate():
        fit_heatmap(known, HeatmapPlan(epochs=1, batch=4), print)


def test_train_pins_before_it_does_anything(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = {"PATH": os.environ["PATH"]}
    monkeypatch.setattr(os, "environ", environment)

    train(list_settings=True)

    assert "learning_rate" in capsys.readouterr().out
    assert environment.items() >= KERNELS.items()


def test_matrices_are_plain_unless_told_otherwise() -> None:
    bare, asked = {"PATH": "/bin"}, {"OPENBLAS_CORETYPE": "Zen"}

    pin_matrices(bare)
    pin_matrices(asked)

    plain = {"OPENBLAS_CORETYPE": "Haswell"} if AVX2 else {}
    assert bare == {"PATH": "/bin", **plain}
    assert asked == {"OPENBLAS_CORETYPE": "Zen"}


_MAKE = """
import sys
from pathlib import Path
from mmindustry.training.examples import Order, make_shard
from tests.noise import noise_spec
make_shard(Path(sys.argv[1]), noise_spec(), Order(seed=5, visits=3, length_seconds=4.0))
"""


def test_windows_are_the_same_to_the_bit_as_by_the_kernels_of_another_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = Order(seed=5, visits=3, length_seconds=4.0)
    elsewhere = {**os.environ, "OPENBLAS_CORETYPE": "Haswell", "PYTHONPATH": str(Path.cwd())}
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    monkeypatch.setenv("PATH", os.environ["PATH"])  # what is pinned goes with this test

    pin_matrices(os.environ)
    made = make_data(tmp_path, noise_spec(), [order], workers=1, tell=lambda _: None)
    command = [sys.executable, "-c", _MAKE, str(tmp_path / "elsewhere")]
    subprocess.run(command, check=True, env=elsewhere)

    there = DataSet(noise_spec(), [tmp_path / "elsewhere"])
    assert made.data_hash() == there.data_hash()


def test_every_command_that_makes_windows_to_be_made_again_pins_before() -> None:
    commands = Path(evaluate_missing.__file__).parent
    makers = ("simulated_data(", "make_unmet(", "train_simulated(")
    making = [f for f in sorted(commands.glob("*.py")) if any(m in f.read_text() for m in makers)]

    assert len(making) >= 5
    for file in making:
        assert "pin_matrices(os.environ)" in file.read_text(), file.name
