"""How a process that trains on a CPU uses it: one thread, and memory that is not given back."""

import ctypes

import torch

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # as malloc.h numbers them
_KEPT_BYTES = 1 << 30


def settle_process() -> bool:
    """Use one thread, and keep up to 1 GiB of freed memory for the next step.

    glibc asks the system anew for every array above 32 MiB and gives it back at once: each step
    then pays for clearing the same pages again, about a quarter of its time. Returns whether this
    C library can be told otherwise.
    """
    torch.set_num_threads(1)
    tell = getattr(ctypes.CDLL(None), "mallopt", None)
    if tell is None:
        return False
    return bool(tell(_MMAP_MAX, 0)) and bool(tell(_TRIM_THRESHOLD, _KEPT_BYTES))
