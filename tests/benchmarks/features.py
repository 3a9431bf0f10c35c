"""CPU cost of the feature kernels beside the naive way, interleaved in one run.

    python -m tests.benchmarks.features [--quick]

One `name: value` line a figure. Milliseconds are of process time on one thread; ratios are medians
over rounds in which both ways ran one after the other, so that other load hits both alike.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Any

for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # before numpy wakes its threads
    os.environ.setdefault(_threads, "1")

import cv2
import librosa
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmindustry.domain import Frame
from mmindustry.features.picture import decode, fit
from mmindustry.features.policy import FeaturePolicy
from mmindustry.features.spec import Recipe
from mmindustry.features.spectra import Basis, cepstra, log_mel
from tests.unit.features import material

RECIPE = Recipe(mfcc=20)
POLICY = FeaturePolicy()
SIZES = ((640, 480), (1280, 720), (1920, 1080))
Work = Callable[[], object]


def camera_frame(width: int, height: int) -> Frame:
    """A textured scene with sensor noise, quality 85, 4:2:0: about 0.2 bytes a pixel."""
    rng = np.random.default_rng(0)
    scene = np.full((height, width, 3), 128.0)
    for cells, swing in ((6, 60), (24, 30), (96, 12)):
        grid = rng.normal(0, swing, (cells * 3 // 4, cells, 3))
        scene += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    scene += rng.normal(0, 4, scene.shape)
    return material.jpeg(np.clip(scene, 0, 255).astype(np.uint8))


def naive_picture(frame: Frame) -> NDArray[np.float64]:
    """The tutorial's way: Pillow, full decode, resize, float64."""
    image = Image.open(BytesIO(frame.payload)).convert("RGB")
    image = image.resize((RECIPE.frame_size, RECIPE.frame_size))
    return np.transpose(np.array(image) / 255.0, (2, 0, 1))


def our_picture(frame: Frame) -> NDArray[np.float32]:
    """The line's way, to the same array."""
    out = np.empty((3, RECIPE.frame_size, RECIPE.frame_size), np.float32)
    fitted = fit(decode(frame, RECIPE.frame_size, POLICY), RECIPE.frame_size, RECIPE.frame_size)
    np.multiply(fitted.transpose(2, 0, 1)[::-1], np.float32(1 / 255), out=out)
    return out


def naive_sound(samples: NDArray[np.float32]) -> object:
    """The tutorial's way: librosa for the mel spectrum, and librosa again for the cepstra."""
    options: dict[str, Any] = {
        "sr": 16_000,
        "n_fft": 512,
        "win_length": 400,
        "hop_length": 256,
        "n_mels": 64,
    }
    mel = librosa.feature.melspectrogram(y=samples, **options)
    return librosa.power_to_db(mel), librosa.feature.mfcc(y=samples, n_mfcc=20, **options)


def our_sound(samples: NDArray[np.float32], basis: Basis) -> object:
    """The line's way: both from one spectrum."""
    logged = log_mel(samples, RECIPE, basis)
    return logged, cepstra(logged, basis)


def interleaved(naive: Work, ours: Work, rounds: int, repeats: int) -> tuple[float, float, float]:
    """Return (naive ms, our ms, median ratio) a call, in CPU time."""
    pairs: list[tuple[float, float]] = []
    naive()
    ours()
    for _ in range(rounds):
        costs = []
        for work in (naive, ours):
            start = time.process_time()
            for _ in range(repeats):
                work()
            costs.append((time.process_time() - start) / repeats * 1e3)
        pairs.append((costs[0], costs[1]))
    return (
        statistics.median(n for n, _ in pairs),
        statistics.median(o for _, o in pairs),
        statistics.median(n / o for n, o in pairs),
    )


def measure(*, quick: bool) -> dict[str, float]:
    """Return every figure by name."""
    cv2.setNumThreads(1)
    rounds = 5 if quick else 15
    figures: dict[str, float] = {}

    def report(name: str, naive: Work, ours: Work, repeats: int) -> None:
        costs = interleaved(naive, ours, rounds, repeats)
        for suffix, value in zip(("naive_ms", "ours_ms", "ratio"), costs, strict=True):
            figures[f"{name}_{suffix}"] = value

    basis = Basis.make(RECIPE)
    sound = material.impacts(1.024, 107.5)[:16_384].astype(np.float32)
    report("sound_1s", lambda: naive_sound(sound), lambda: our_sound(sound, basis), 20)
    for width, height in SIZES[:1] if quick else SIZES:
        frame = camera_frame(width, height)
        figures[f"frame_{height}_kilobytes"] = len(frame.payload) / 1e3
        report(f"frame_{height}", partial(naive_picture, frame), partial(our_picture, frame), 10)
    items = [*material.frames(5), *material.sound(material.impacts(5, 107.5))]
    figures["window_ours_ms"] = interleaved(list, lambda: material.build(items), rounds, 5)[1]
    return figures


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, one frame size")
    for name, value in measure(quick=parser.parse_args().quick).items():
        print(f"{name}: {value:.3f}")


if __name__ == "__main__":
    main()
