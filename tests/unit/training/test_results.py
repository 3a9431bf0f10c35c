"""A result says what was found, by which command, and is plain JSON."""

import json
from pathlib import Path

import numpy as np

from mmindustry.training.results import result, write_result


def test_a_result_is_plain_json_whatever_numpy_it_was_made_of(tmp_path: Path) -> None:
    figures = {
        "auroc": np.float32(0.98765432),
        "counts": np.array([1, 2]),
        "passed": np.array([1]).any(),
        "undefined": float("nan"),
        "nested": {"low": np.float64(1e-9)},
    }

    write_result(tmp_path / "deep" / "one.json", result("one", figures, command="x", seconds=1.25))

    found = json.loads((tmp_path / "deep" / "one.json").read_text())
    assert found["figures"] == {
        "auroc": 0.987654,
        "counts": [1, 2],
        "passed": True,
        "undefined": None,
        "nested": {"low": 1e-9},
    }
    assert (found["name"], found["command"], found["seconds"]) == ("one", "x", 1.2)
    assert found["commit"]
    assert found["machine"]["cores"] >= 1
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["one.json"]
