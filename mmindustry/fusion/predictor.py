"""The `Predictor` port: windows of any bundle in, one answer each out, in order."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmindustry.domain import Failed, Features, Prediction
from mmindustry.errors import BundleError, ConfigError, MissingExtra
from mmindustry.features.wordpiece import WordPiece
from mmindustry.fusion.allowance import Allowance
from mmindustry.fusion.bundle import WEIGHTS, Bundle, read_bundle
from mmindustry.fusion.engine import Engine, Judged
from mmindustry.fusion.heatmap_runtime import HeatmapRuntime
from mmindustry.fusion.judge import Judge
from mmindustry.fusion.onnx_runtime import OnnxRuntime
from mmindustry.fusion.policy import FusionPolicy
from mmindustry.fusion.runtime import DeviceMemory, Runtime
from mmindustry.fusion.weights import unpack

Item = tuple[int, Features]


def nvidia_present() -> bool:
    """Return whether an NVIDIA device node is here; asked before torch is ever imported."""
    return any(Path(node).exists() for node in ("/dev/nvidiactl", "/dev/dxg"))


def open_predictor(
    folder: Path,
    policy: FusionPolicy,
    *,
    also: Iterable[Path] = (),
    nvidia: Callable[[], bool] = nvidia_present,
    allowance: Allowance | None = None,
) -> "FusionPredictor":
    """Return the predictor for the bundle in `folder`, and for others that serve beside it.

    Windows whose `bundle` is empty go to the first. On CPU torch is not imported. Flagged windows
    are explained where there is an `allowance`.

    Raises:
        BundleError: A bundle is damaged or does not fit.
        ConfigError: The device asked for is not here.
        MissingExtra: The policy asks for torch and it is not installed.
    """
    device = choose_device(policy, nvidia)
    if policy.precision == "half" and device == "cpu":
        raise ConfigError("precision half: this machine serves on CPU; give single or auto")
    engines: dict[str, Engine] = {}
    for path in (folder, *also):
        bundle = read_bundle(path)
        runtime = open_runtime(bundle, policy, device)
        judge, heatmap = Judge(bundle.manifest), open_heatmap(bundle)
        engines[bundle.id] = Engine(judge, runtime, heatmap, open_pieces(bundle))
    default = next(iter(engines))
    return FusionPredictor(engines, default=default, batch=policy.batch, allowance=allowance)


def open_pieces(bundle: Bundle) -> WordPiece | None:
    """Return how the bundle cuts words into pieces; None where its network reads none."""
    return WordPiece(bundle.vocabulary) if bundle.manifest.spec.recipe.pieces else None


def open_heatmap(bundle: Bundle) -> HeatmapRuntime | None:
    """Return what finds defects on the product; None where the bundle has learned no masks.

    On CPU whatever the device: one picture of a flagged window at a time.

    Raises:
        BundleError: It can't be run, or reads pictures of another size than the recipe's.
    """
    if bundle.heatmap is None:
        return None
    found, side = HeatmapRuntime(bundle.heatmap), bundle.manifest.spec.recipe.region_size
    if found.side != side:
        raise BundleError(f"the heat map reads pictures of {found.side}, the recipe's are {side}")
    return found


def choose_device(policy: FusionPolicy, nvidia: Callable[[], bool]) -> str:
    """Return `cpu` or `cuda:N` as the policy asks and the machine allows."""
    if policy.device != "auto":
        return policy.device
    if policy.runtime == "onnx" or not nvidia() or find_spec("torch") is None:
        return "cpu"
    import torch  # noqa: PLC0415 - only where a device was found

    return "cuda:0" if torch.cuda.is_available() else "cpu"


def open_runtime(bundle: Bundle, policy: FusionPolicy, device: str) -> Runtime:
    """Return what runs this bundle on this device."""
    if device == "cpu" and policy.runtime != "torch":
        return OnnxRuntime(bundle.model)
    if find_spec("torch") is None:
        raise MissingExtra(
            f"device {device}, runtime {policy.runtime}: needs torch; "
            "install mmindustry with the extra 'torch'"
        )
    from mmindustry.fusion.torch_runtime import open_torch  # noqa: PLC0415 - GPU or reference

    half = device != "cpu" and policy.precision != "single"
    weights = unpack(bundle.weights, str(bundle.folder / WEIGHTS))
    return open_torch(bundle.manifest.spec, weights, device=device, half=half)


class FusionPredictor:
    """Predicts in batches, together over assets, grouped by bundle."""

    def __init__(
        self,
        engines: Mapping[str, Engine],
        *,
        default: str,
        batch: int,
        allowance: Allowance | None = None,
    ) -> None:
        self._engines = engines
        self._allowance = allowance
        self._default = default
        self._batch = batch

    @property
    def bundle(self) -> str:
        """Id of the bundle that serves by default."""
        return self._default

    @property
    def bundles(self) -> tuple[str, ...]:
        """Ids of all loaded bundles."""
        return tuple(self._engines)

    def predict(self, features: Sequence[Features | Failed]) -> Sequence[Judged]:
        """Return one answer an item, in order; a `Failed` passes through."""
        answers: dict[int, Judged] = {}
        groups: dict[str, list[Item]] = {}
        for at, item in enumerate(features):
            if isinstance(item, Failed):
                answers[at] = item
            else:
                groups.setdefault(item.bundle or self._default, []).append((at, item))
        for bundle, group in groups.items():
            answers.update(self._group(bundle, group))
            answers.update(self._explained(bundle, group, answers))
        return [answers[at] for at in range(len(features))]

    def embed(self, features: Sequence[Features]) -> NDArray[np.float32]:
        """Return the default bundle's embeddings (windows, 3, width), zero where absent.

        Raises:
            BundleError: A window's arrays are not as the bundle's recipe says.
        """
        engine = self._engines[self._default]
        for item in features:
            if wrong := engine.misfit(item):
                raise BundleError(f"window {item.window.id}: {wrong}")
        spec = engine.judge.manifest.spec
        parts = [raw.embeddings for _, raw in engine.run(list(features), self._batch)]
        empty = np.zeros((0, len(spec.modalities), spec.width), np.float32)
        return np.concatenate([empty, *parts])

    def _group(self, bundle: str, group: list[Item]) -> dict[int, Judged]:
        engine = self._engines.get(bundle)
        if engine is None:
            detail = f"bundle {bundle} is not loaded; loaded are {', '.join(self._engines)}"
            return {
                at: Failed(f.window, f.end, "predict", "bundle_missing", detail, bundle)
                for at, f in group
            }
        misfits = {at: engine.misfit(item) for at, item in group}
        answers: dict[int, Judged] = {
            at: engine.failed(item, "recipe_mismatch", misfits[at] or "")
            for at, item in group
            if misfits[at]
        }
        fitting = [(at, item) for at, item in group if not misfits[at]]
        places = iter(at for at, _ in fitting)
        answers.update(zip(places, self._judged(engine, [f for _, f in fitting]), strict=True))
        return answers

    def _explained(
        self, bundle: str, group: list[Item], answers: Mapping[int, Judged]
    ) -> dict[int, Judged]:
        """Return the predictions that there was time to explain."""
        engine = self._engines.get(bundle)
        if self._allowance is None or engine is None:
            return {}
        judged = [
            (at, item, said) for at, item in group if isinstance(said := answers[at], Prediction)
        ]
        try:
            return {**self._allowance.explain(judged, engine)}
        except DeviceMemory:
            return {}  # the answers stand; there is no room to ask why

    def _judged(self, engine: Engine, items: list[Features]) -> list[Judged]:
        found: list[Judged] = []
        try:
            for part, raw in engine.run(items, self._batch):
                found += engine.judged(part, raw)
        except DeviceMemory as error:
            found += [engine.failed(f, "device_memory", str(error)) for f in items[len(found) :]]
        return found
