"""A bundle's card: what it is, how it was made, what it can and can't do, in Markdown."""

from collections.abc import Iterator, Mapping
from math import isnan
from typing import Any

from mmindustry.fusion.calibration import PATTERNS
from mmindustry.fusion.encoders.adopt import entry_of
from mmindustry.fusion.manifest import Manifest
from mmindustry.fusion.spec import NetworkSpec


def bundle_card(manifest: Manifest) -> str:
    """Return the card of a bundle; every figure stands in bundle.json too."""
    lengths = " and ".join(f"{s:g} s" for s in manifest.spec.recipe.window_lengths)
    parts = [
        f"# Bundle `{manifest.name}`",
        f"Judges windows of {lengths} by {_senses(manifest.spec)}.",
        f"Made by:\\n\\n    {manifest.command or 'not recorded'}".replace("\\n", "\n"),
        _origin(manifest),
        "## On machines it has never met",
        figures_text(manifest.metrics),
        *_compressed(manifest),
        "## What to know",
        _LIMITS,
    ]
    return "\n\n".join(parts) + "\n"


_SENSES = ("camera", "machine sound", "log text")


def _senses(spec: NetworkSpec) -> str:
    """Return what a network reads, in words."""
    read = [sense for sense, heard in zip(_SENSES, spec.heard, strict=True) if heard]
    if len(read) == 1:
        return f"{read[0]} alone"
    return f"{', '.join(read[:-1])} and {read[-1]}, in any combination"


_LIMITS = """\
- Trained on simulated machines only (pumps on a belt, eight faults): the figures hold for the
  simulator. A real plant needs labels of its own, or a profile of each machine's normal, before
  this bundle is relied on.
- Sound is read with speed and bearing geometry from the asset's card; without them outer and inner
  race can't be told apart.
- Remaining life beyond the last time bin is told as that bin's end: "at least so long".
- The serving prior holds most machines to be healthy; change it where that is not so."""


def _origin(manifest: Manifest) -> str:
    windows = manifest.metrics.get("windows", {})
    versions = ", ".join(f"{name} {version}" for name, version in manifest.versions.items())
    rows = [
        ("data", f"sha256 {manifest.data_hash[:16]}.."),
        ("windows", ", ".join(f"{k} {v}" for k, v in windows.items())),
        ("fusion", f"{manifest.spec.fusion}, width {manifest.spec.width}"),
        *_encoders(manifest.spec),
        ("faults", ", ".join(manifest.spec.faults)),
        ("products", ", ".join(manifest.spec.products)),
        ("made with", versions),
    ]
    return "\n".join(f"- {name}: {value}" for name, value in rows)


def _encoders(spec: NetworkSpec) -> Iterator[tuple[str, str]]:
    """Yield what is told of encoders: names where chosen, source and licence where pretrained."""
    if spec.encoders:
        yield "encoders", ", ".join(f"{m} {spec.encoder(m)}" for m in spec.modalities)
    for part, source in spec.weights.items():
        yield f"weights of {part}", f"{source}; licence: {entry_of(part).licence}"


def _compressed(manifest: Manifest) -> list[str]:
    """Return how a bundle was made smaller and what that cost; nothing for any other."""
    told = manifest.metrics.get("compression")
    if not told:
        return []
    rows = [(name, told[side][name]) for name in told["variant"] for side in ("parent", "variant")]
    named = [
        (f"{name.replace('_', ' ')} of the {side}", value)
        for (name, value), side in zip(rows, ("parent", "variant") * len(rows), strict=False)
    ]
    ratio = [
        (f"CPU time over the parent's, {batch.replace('_', ' ')}", value)
        for batch, value in told["cost"]["variant_over_parent"].items()
    ]
    about = f"Made from `{manifest.parent}`: {told['kind']}, {told['how']}."
    return ["## Compressed", about, _table("held-out machines, same run", [*named, *ratio])]


def figures_text(metrics: Mapping[str, Any]) -> str:
    """Return the figures as Markdown tables; a dash where there was no window to measure on."""
    macro = [(name.replace("_", " "), value) for name, value in metrics["macro_f1"].items()]
    error = [(name, metrics["ece"][name]) for name in PATTERNS]
    tables = [
        _table("macro-F1 of fault classes", macro),
        _table("expected calibration error", [("as it is", metrics["ece_as_is"]), *error]),
        _table("F1 of each class", list(metrics["f1"].items())),
        _table("product quality", list(metrics["product"].items())),
        _table("risk and remaining life", list(metrics["life"].items())),
        *(_heat(metrics["heatmap"]) if metrics.get("heatmap") else ()),
        *(_promises(metrics) if metrics.get("coverage") else ()),
        _table("single windows at the alarm thresholds", list(metrics["alarms"].items())),
    ]
    return "\n\n".join(tables)


def _heat(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield where the heat map finds defects, beside what knows nothing of them."""
    rows = [
        (name.replace("control_", "control: "), found[name]["pixel_ap"])
        for name in ("decoder", "control_brightness", "control_place", "control_random")
    ]
    yield _table("heat map of defects, pixel average precision", rows)


def _promises(metrics: Mapping[str, Any]) -> tuple[str]:
    return (_table("class sets and life intervals", list(metrics["coverage"].items())),)


def _table(title: str, rows: list[tuple[str, float]]) -> str:
    lines = [f"| {title} | |", "|---|---|"]
    told = [(name, "-" if isnan(value) else f"{value:.3f}") for name, value in rows]
    return "\n".join([*lines, *(f"| {name} | {value} |" for name, value in told)])
