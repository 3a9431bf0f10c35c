"""Sums taken in one order on every x86-64 processor with AVX2, so that a run can be made again."""

from collections.abc import Mapping, MutableMapping
from pathlib import Path
from types import MappingProxyType

KERNELS: Mapping[str, str] = MappingProxyType(
    {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_CBWR": "COMPATIBLE"}
)
"""What tells torch, oneDNN and MKL which instructions to use; without it each takes the widest
that a processor has, sums in another order, and another network comes of the same run.

They don't reach MKL's vector functions. Those of roots and arcs begin at the processor's estimate
of 1 / sqrt(x), which is each maker's own, so nothing that is trained may ask torch for `sqrt`,
`asin`, `acos` or `atan` (`tests/unit/test_repeatable.py`); `rsqrt` and fused optimizers ask for
none."""

_MATRICES = ("OPENBLAS_CORETYPE", "Haswell")
_PROCESSOR = Path("/proc/cpuinfo")


def pin_kernels(environment: MutableMapping[str, str]) -> dict[str, str]:
    """Pin the instructions that are not pinned yet and return all of them.

    It counts where torch has computed nothing yet. A step takes about half as long again.

    >>> pin_kernels({"MKL_CBWR": "AVX2"})["MKL_CBWR"]
    'AVX2'
    """
    return {name: environment.setdefault(name, usual) for name, usual in KERNELS.items()}


def pin_matrices(environment: MutableMapping[str, str]) -> None:
    """Let numpy multiply matrices by AVX2 in processes that are started from now on, unless told
    otherwise; without AVX2 nothing is changed.

    A spectrum is a product of matrices: by the kernels of a processor's own kind the same sound
    gives it with other last digits, and windows made here would not be those made elsewhere.
    """
    if _knows_avx2():
        environment.setdefault(*_MATRICES)


def _knows_avx2() -> bool:
    return _PROCESSOR.exists() and " avx2 " in _PROCESSOR.read_text("utf-8", "replace")
