"""Sums taken in one order on every x86-64 processor, so that a run can be made again."""

from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

KERNELS: Mapping[str, str] = MappingProxyType(
    {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE"}
)
"""What tells torch and MKL which instructions to use; without it each takes the widest that a
processor has, sums in another order, and another network comes of the same run."""

_CONVOLUTIONS = "ONEDNN_MAX_CPU_ISA"

_MATRICES = ("OPENBLAS_CORETYPE", "Haswell")
_PROCESSOR = Path("/proc/cpuinfo")


def pin_kernels(environment: MutableMapping[str, str]) -> dict[str, str]:
    """Pin the instructions that are not pinned yet and return all of them.

    It counts where torch has computed nothing yet.

    >>> pin_kernels({"MKL_CBWR": "AVX2"})["MKL_CBWR"]
    'AVX2'
    """
    return {name: environment.setdefault(name, usual) for name, usual in KERNELS.items()}


@contextmanager
def plain_convolutions(environment: Mapping[str, str]) -> Iterator[None]:
    """Let torch convolve by products of matrices alone for a while, unless the environment names
    the instructions that oneDNN may use. Needs torch.

    oneDNN and NNPACK fit the blocks they sum by to a processor's caches, whatever instructions
    they are held to. With pinned kernels a step takes more than twice as long.
    """
    if environment.get(_CONVOLUTIONS):
        yield
        return
    import torch  # noqa: PLC0415 - nothing is trained without

    usual = torch._C._get_mkldnn_enabled()  # noqa: SLF001 - `mkldnn.flags` warns of a GPU's
    torch._C._set_mkldnn_enabled(False)  # noqa: SLF001, FBT003 - as it is called
    try:
        with torch.backends.nnpack.flags(enabled=False):
            yield
    finally:
        torch._C._set_mkldnn_enabled(usual)  # noqa: SLF001


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
