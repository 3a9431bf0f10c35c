"""Training sums in one order on every processor that can."""

import os
import subprocess
import sys

import pytest

from mmindustry.cli.train import train
from mmindustry.training.repeatable import KERNELS, pin_kernels

_SAY = (
    "import os; from mmindustry.training.repeatable import pin_kernels; pin_kernels(os.environ); "
    "import torch; print(torch.backends.cpu.get_cpu_capability())"
)


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


def test_train_pins_before_it_does_anything(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = {"PATH": os.environ["PATH"]}
    monkeypatch.setattr(os, "environ", environment)

    train(list_settings=True)

    assert "learning_rate" in capsys.readouterr().out
    assert environment.items() >= KERNELS.items()
