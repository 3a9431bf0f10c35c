"""The report as one HTML file: no network, no script, every drawing inside."""

from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from mmindustry.training.report import drawing
from mmindustry.training.report.drawing import Bar

HEADLINE = (
    "accuracy",
    "macro_precision",
    "macro_recall",
    "macro_f1",
    "macro_auroc",
    "macro_average_precision",
)
"""Figures that lead a table of classes, each with its interval."""

_COLUMNS = ("windows", "precision", "recall", "f1", "auroc", "average_precision")
_CALIBRATION = ("ece_floor", "rms_error_debiased", "ece_of_each_class", "brier", "log_loss")
_ALARMS = (
    "events",
    "detected",
    "event_recall",
    "false_alarms_per_machine_week",
    "alarm_precision",
    "lead_median_hours",
    "lead_p10_hours",
    "delay_median_hours",
)
_WHOLE_FROM = 100.0


def page(report: Mapping[str, Any]) -> str:
    """Return the report as HTML."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["figure"] = _figure
    environment.filters["words"] = _words
    calibration = report["faults"]["calibration"]
    alarms = report["alarms"] or {}
    return environment.get_template("report.html").render(
        r=report,
        headline=HEADLINE,
        columns=_COLUMNS,
        calibration={
            "ece": calibration["ece"]["value"],
            **{name: calibration[name] for name in _CALIBRATION},
        },
        alarms=[name for name, found in alarms.items() if isinstance(found, Mapping)],
        alarm_rows=_ALARMS,
        more={title: report[key] for key, title in _MORE.items() if report.get(key)},
        drawings=_drawings(report),
    )


_MORE = {"coverage": "Class sets and intervals", "heat_maps": "Heat maps"}


def _drawings(report: Mapping[str, Any]) -> dict[str, Markup]:
    faults, product = report["faults"], report["product"]
    found = {
        "confusion": _confusion("Confusion of fault classes", faults),
        "reliability": drawing.reliability("Reliability", faults["calibration"]["reliability"]),
        "subsets": drawing.bars("Macro-F1 of each presence pattern", _subsets(report)),
        "controls": drawing.bars("Macro-F1 of controls", _controls(report)),
        "alarms": drawing.bars("Share of events detected", _alarms(report["alarms"] or {})),
        "product": _confusion("Confusion of product classes", product) if product else "",
    }
    return {name: Markup(svg) for name, svg in found.items()}  # noqa: S704 - our own, words escaped


def _confusion(title: str, figures: Mapping[str, Any]) -> str:
    table = figures["confusion"]
    return drawing.confusion(title, table["classes"], table["rows_are_truth"])


def _subsets(report: Mapping[str, Any]) -> list[Bar]:
    whole = report["faults"]["macro_f1"]
    rows = {"as it comes": whole, **{n: row["macro_f1"] for n, row in report["subsets"].items()}}
    return [_bar(name, row["value"], row["low_high"]) for name, row in rows.items()]


def _controls(report: Mapping[str, Any]) -> list[Bar]:
    whole = report["faults"]["macro_f1"]
    found = [_bar("as it comes", whole["value"], whole["low_high"])]
    for name, value in report["controls"].items():
        label = _words(name.removesuffix("_macro_f1"))
        if isinstance(value, Mapping):
            found.append(_bar(label, value["value"], value["low_high"], faint=True))
        elif value is not None:
            found.append(Bar(label, float(value), faint=True))
    return found


def _alarms(alarms: Mapping[str, Any]) -> list[Bar]:
    return [
        _bar(_words(name), row["event_recall"], row["event_recall_95"], faint=name != "bundle")
        for name, row in alarms.items()
        if isinstance(row, Mapping)
    ]


def _bar(label: str, value: float, low_high: Sequence[float], *, faint: bool = False) -> Bar:
    low, high = low_high
    return Bar(label, value, low, high, faint)


def _figure(value: Any) -> str:
    """Return a number as people read it; a dash where it can't be told."""
    if value is None or (isinstance(value, float) and not isfinite(value)):
        return "–"
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.0f}" if abs(value) >= _WHOLE_FROM else f"{value:.3f}"
    return f"{value:.0f}" if isinstance(value, int | float) else str(value)


def _words(name: str) -> str:
    """Return a key as words."""
    return name.replace("_", " ")
