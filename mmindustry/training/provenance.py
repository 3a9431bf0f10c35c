"""Where a table's figures come from: the commits its cells were made at, and what they cost.

A table may be put together in a second from cells that took hours, by another commit than theirs.
"""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_UNKNOWN = "not told"


def made_of(cells: Iterable[Path]) -> dict[str, Any]:
    """Return how many cells were made at which commit, and their CPU seconds together.

    `cells_without_seconds` counts those whose file says nothing of its cost.
    """
    commits: Counter[str] = Counter()
    seconds, silent = 0.0, 0
    for path in cells:
        told = json.loads(path.read_text("utf-8"))
        commits[told.get("commit", _UNKNOWN)] += 1
        cost = told.get("figures", {}).get("train_cpu_seconds")
        silent += cost is None
        seconds += cost or 0.0
    return {
        "cells": commits.total(),
        "commits": dict(sorted(commits.items())),
        "train_cpu_seconds": seconds,
        "cells_without_seconds": silent,
    }
