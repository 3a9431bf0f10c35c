"""Training sums in one order on every processor that can."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mmindustry.cli import evaluate_missing
from mmindustry.cli.train import train
from mmindustry.training.dataset import DataSet
from mmindustry.training.examples import Order, make_data
from mmindustry.training.repeatable import (
    KERNELS,
    pin_kernels,
    pin_matrices,
    plain_convolutions,
)
from tests.noise import noise_spec

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


def convolved_by() -> tuple[bool, bool]:
    """Return whether oneDNN and NNPACK may be used."""
    return torch._C._get_mkldnn_enabled(), torch._C._get_nnpack_enabled()  # noqa: SLF001 - nothing else tells


def test_convolutions_are_plain_for_a_while_unless_told_otherwise() -> None:
    usual = convolved_by()

    with plain_convolutions({}):
        assert convolved_by() == (False, False)
    with plain_convolutions({"ONEDNN_MAX_CPU_ISA": "AVX2"}):
        assert convolved_by() == usual

    assert convolved_by() == usual


def test_a_plain_convolution_says_the_same() -> None:
    torch.manual_seed(0)
    layer, heard = torch.nn.Conv2d(8, 8, 3, groups=8), torch.rand(2, 8, 9, 9)

    with plain_convolutions({}):
        plain = layer(heard)

    torch.testing.assert_close(plain, layer(heard))


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
