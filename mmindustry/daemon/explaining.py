"""One window explained on demand: made again from the archive, asked why in every way there is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmindustry.config.settings import Settings
from mmindustry.daemon.searching import Finder, Mind
from mmindustry.domain import Context, Features, Prediction, Window, WindowKey
from mmindustry.errors import InputError, MissingExtra
from mmindustry.features.build import build_features
from mmindustry.features.part import Guard
from mmindustry.features.spectra import Basis
from mmindustry.fusion.bundle import Bundle
from mmindustry.fusion.explainer import Explanation, Target, target_of
from mmindustry.fusion.judge import Judge
from mmindustry.fusion.onnx_runtime import OnnxRuntime
from mmindustry.fusion.predictor import (
    FusionPredictor,
    open_heatmap,
    open_pieces,
    open_predictor,
)
from mmindustry.fusion.weights import unpack
from mmindustry.store.archive import open_storage
from mmindustry.store.database import Database, told_plainly
from mmindustry.store.normal import Normal, NormalWindow
from mmindustry.store.queries.alarms import read_alarm
from mmindustry.store.queries.detail import WindowDetail, read_window
from mmindustry.store.queries.embeddings import shard_uris
from mmindustry.store.queries.scope import Scope
from mmindustry.store.registry import Library
from mmindustry.training.normal import Archived, ArchivedNormal

METHODS = ("shapley", "occlusion", "gradcam", "integrated-gradients")
_BY_GRADIENT = ("gradcam", "integrated-gradients")


@dataclass(frozen=True, slots=True)
class Told:
    """What was found: plain JSON, and maps to be drawn (name -> rows by columns)."""

    document: dict[str, Any]
    maps: Mapping[str, NDArray[np.float32]]
    frame: NDArray[np.uint8] | None


def explain(settings: Settings, database: Database, name: str, methods: Sequence[str]) -> Told:
    """Return why a window, or the window that raised an alarm, was judged as it was.

    Args:
        settings: Where archive and bundles are.
        database: The record.
        name: Id of a window or of an alarm.
        methods: Of `METHODS`.

    Raises:
        InputError: There is no such window, or its evidence can't be read any more.
        MissingExtra: A gradient method without torch.
    """
    if unknown := [one for one in methods if one not in METHODS]:
        raise InputError(f"method {unknown[0]!r}: give one of {', '.join(METHODS)}")
    if set(methods) & set(_BY_GRADIENT) and find_spec("torch") is None:
        raise MissingExtra(
            "gradients need torch; install mmindustry with the extra 'torch', or give "
            "--method occlusion"
        )
    window = _window(database, name)
    mind = Mind.of(settings, database, window.bundle)
    item, said = _judged(settings, database, window, mind)
    judge = Judge(mind.bundle.manifest)
    target = target_of(said, judge) or Target(
        "fault", said.leading, judge.manifest.spec.faults.index(said.leading)
    )
    document = _document(window, said, target)
    maps: dict[str, NDArray[np.float32]] = {}
    run, heatmap = OnnxRuntime(mind.bundle.model).run, open_heatmap(mind.bundle)
    explanation = Explanation(judge, run, item, target, heatmap, open_pieces(mind.bundle))
    if set(methods) & {"shapley", "occlusion"}:
        document["why"] = explanation.document(brief="occlusion" not in methods)
    if set(methods) & set(_BY_GRADIENT):
        told, maps = by_gradient(mind.bundle, explanation, methods)
        document |= told
    document["nearest_confirmed"] = Finder(database, mind).confirmed(window)
    return Told(document, maps, _frame(item))


def _window(database: Database, name: str) -> WindowDetail:
    with told_plainly(database), database.read() as connection:
        alarm = read_alarm(connection, Scope(), name) if "|" in name else None
        wanted = name if alarm is None else alarm.alarm.window_id
        window = read_window(connection, Scope(), wanted) if wanted else None
    if window is None:
        raise InputError(f"there is no window or alarm {name!r}; ids stand on their pages")
    return window


def _judged(
    settings: Settings, database: Database, window: WindowDetail, mind: Mind
) -> tuple[Features, Prediction]:
    rebuilt, context = _again(settings, database, window)
    recipe = mind.bundle.manifest.spec.recipe
    basis = Basis.from_arrays(recipe, mind.bundle.arrays)
    guard = Guard(settings.features)
    item, _ = build_features(rebuilt, context, recipe, basis=basis, guard=guard)
    said = _predictor(settings, mind.folder).predict([item])[0]
    if not isinstance(item, Features) or not isinstance(said, Prediction):
        reason = "" if isinstance(said, Prediction) else f": {said.reason}, {said.detail}"
        raise InputError(f"window {window.id} can't be judged{reason}")
    return item, said


def _predictor(settings: Settings, folder: Path) -> FusionPredictor:
    return open_predictor(folder, replace(settings.fusion, device="cpu", runtime="onnx"))


def _again(settings: Settings, database: Database, window: WindowDetail) -> tuple[Window, Context]:
    """Return the window with its bytes from the archive, and what surrounded it."""
    lost = f"window {window.id}: its evidence is not in the archive"
    with told_plainly(database), database.read() as connection:
        uris = shard_uris(connection, window.shards)
        papers = Library(window.bundle).papers(connection, {window.asset})
    if not uris or settings.archive.url == "off":
        soon = f"not sealed yet; a running line does within {settings.archive.shard_seconds:g} s"
        why = window.evidence_lost or ("retention took it" if window.shards else soon)
        raise InputError(f"{lost} ({why})")
    key = WindowKey(window.asset, window.policy, window.start, window.revision)
    source = Archived(
        database=database,
        storage=open_storage(settings.archive.url),
        record=settings.record,
        codec=settings.codec,
        bundle=window.bundle,
    )
    normal = Normal((NormalWindow(key, window.end, uris),), {})
    found = next(ArchivedNormal(source, normal).read([0]), None)
    if found is None:
        raise InputError(f"{lost}, or is damaged")
    profile = papers.context(window.asset, entries=(), states=()).profile
    known = profile if profile is not None and profile.id == window.profile else None
    return replace(found[0], frozen=_frozen(window)), replace(found[1], profile=known)


def _frozen(window: WindowDetail) -> tuple[str, ...]:
    """Return the cameras that its own bundle was told are frozen: the archive can't tell it."""
    told = (j.findings for j in window.judgements if j.bundle == window.bundle)
    findings = next(told, ())
    return tuple(source for code, source in findings if code == "camera_frozen")


def _document(window: WindowDetail, said: Prediction, target: Target) -> dict[str, Any]:
    chance = said.faults if target.kind == "fault" else said.product
    return {
        "window": window.id,
        "asset": window.asset,
        "start": window.start.isoformat(),
        "end": window.end.isoformat(),
        "bundle": said.bundle,
        "target": {"kind": target.kind, "name": target.name},
        "probability": round(chance[target.name], 6),
        "terms": {name: round(nats, 4) for name, nats in said.terms.items()},
    }


def by_gradient(
    bundle: Bundle, explanation: Explanation, methods: Sequence[str]
) -> tuple[dict[str, Any], dict[str, NDArray[np.float32]]]:
    """Return what a bundle's gradients say of a window, and the maps of it. Needs torch.

    Args:
        bundle: One network's, or several as one.
        explanation: Of the window.
        methods: Of `METHODS`; those without gradients are passed.
    """
    from mmindustry.fusion.ensemble import make_network
    from mmindustry.fusion.gradients import grad_cam, integrated_gradients, objective_of
    from mmindustry.fusion.weights import fill

    spec, item = bundle.manifest.spec, explanation.item
    network = make_network(spec, [1.0] * len(spec.faults)).eval()
    fill(network, unpack(bundle.weights, "weights.safetensors"))
    objective = objective_of(network, explanation.judge, explanation.target)
    told: dict[str, Any] = {}
    maps: dict[str, NDArray[np.float32]] = {}
    if "gradcam" in methods and item.present["image"]:
        heat = grad_cam(network, explanation.arrays, objective)[-1]
        told["gradcam"], maps["gradcam"] = np.round(heat, 3).tolist(), heat
    if "integrated-gradients" in methods and item.present["audio"]:
        found = integrated_gradients(explanation.arrays, objective)
        whole = np.concatenate(list(found.attributions), axis=1)  # (mel, time of all segments)
        told["integrated_gradients"] = {
            "by_mel": np.round(whole.sum(axis=1), 4).tolist(),
            "sum": round(float(whole.sum()), 4),
            "difference": round(found.difference, 4),
            "gap": round(found.gap, 4),
        }
        maps["integrated-gradients"] = whole[::-1]
    return told, maps


def _frame(item: Features) -> NDArray[np.uint8] | None:
    """Return the newest frame as the network saw it, BGR."""
    if not item.present["image"]:
        return None
    newest = item.arrays["image_frames"][-1][::-1].transpose(1, 2, 0)
    frame: NDArray[np.uint8] = np.ascontiguousarray((newest * 255.0).astype(np.uint8))
    return frame


def draw(told: Told, folder: Path) -> list[Path]:
    """Write the explanation and its maps into a folder; return the files."""
    import json

    import cv2

    folder.mkdir(parents=True, exist_ok=True)
    document = folder / "explanation.json"
    document.write_text(json.dumps(told.document, ensure_ascii=False, indent=1) + "\n", "utf-8")
    written = [document]
    for name, values in told.maps.items():
        over = told.frame if name == "gradcam" else None
        path = folder / f"{name}.png"
        cv2.imwrite(str(path), _picture(values, over))
        written.append(path)
    return written


def _picture(values: NDArray[np.float32], over: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    """Return a map in colours: red for, blue against; over a frame where there is one."""
    import cv2

    most = max(float(np.abs(values).max()), 1e-9)
    share = np.clip(values / most, -1.0, 1.0)
    size = (480, 480) if over is not None else (max(640, 2 * values.shape[1]), 256)
    grown = cv2.resize(share.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    ground = np.full((*grown.shape, 3), 255.0) if over is None else cv2.resize(over, size)
    colour = np.where(grown[..., None] >= 0, (15.0, 72.0, 217.0), (214.0, 126.0, 28.0))  # BGR
    weight = np.abs(grown)[..., None] * 0.8
    mixed: NDArray[np.uint8] = (ground * (1.0 - weight) + colour * weight).astype(np.uint8)
    return mixed
