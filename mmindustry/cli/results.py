"""The committed results of long runs, told as tables: no figure is typed by hand."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path("deploy/handbook/results")
README = Path("README.md")
BEGIN = "<!-- results: written by `mmindustry handbook write`, from deploy/handbook/results -->"
END = "<!-- end of results -->"

Row = tuple[str, ...]
_WAYS = {
    "all": "picture, sound and text",
    "audio_alone": "sound alone",
    "image_alone": "picture alone",
    "text_alone": "text alone",
    "random": "control: random",
    "periodic": "control: periodic",
    "age_only": "control: age only",
    "always_on": "control: always on",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """How one result is told. `caveat` stands above the figures."""

    name: str
    title: str
    caveat: str
    head: Row
    rows: Callable[[Mapping[str, Any]], Iterator[Row]]


def _of(value: Any, interval: Any = None) -> str:
    if value is None:
        return "-"
    told = f"{value:.3f}" if isinstance(value, float) else str(value)
    return told if interval is None else f"{told} ({interval[0]:.3f} to {interval[1]:.3f})"


def _fleet(found: Mapping[str, Any]) -> Iterator[Row]:
    for name, label in _WAYS.items():
        way = found["ways"][name]
        yield (
            label,
            _of(way["event_recall"], way["event_recall_95"]),
            _of(way["false_alarms_per_machine_week"], way["false_alarms_per_machine_week_95"]),
            _of(way["lead_median_hours"]),
        )


def _spelling(found: Mapping[str, Any]) -> Iterator[Row]:
    for way, told in found["directions"].items():
        ours, rules = told["ours"]["changed"], told["baseline"]["changed"]
        yield (
            way.replace("->", " to "),
            _of(rules["accuracy"], rules["interval_by_line"]),
            _of(ours["accuracy"], ours["interval_by_line"]),
            f"{told['gain_points']:.1f}",
            _of(told["ours_without_raw_lines"]["changed"]["accuracy"]),
        )


def _motors(found: Mapping[str, Any]) -> Iterator[Row]:
    for fault, told in found["faults"].items():
        for way, label in (
            ("ours", "ours"),
            ("control_loudness", "control: loudness"),
            ("control_speed", "control: throttle"),
        ):
            heard = told[way]
            recall = heard["speeds_left_out"]["recall"]
            unseen = heard["unseen_healthy_motors"]["specificity"]
            yield (
                f"{fault.lower()}, {label}",
                _of(recall["value"], recall["wilson_windows"]),
                _of(unseen["value"], unseen["wilson_windows"]),
                _of(heard["one_threshold"]["auroc"]),
            )


def _pits(found: Mapping[str, Any]) -> Iterator[Row]:
    for name, told in sorted(found["scored"].items(), key=lambda item: item[0] != "ours"):
        spot = found["pixel_ap"] if not name.startswith("control") else {}
        yield (
            name.replace("control_", "control: ").replace("_", " "),
            _of(told["within_rounds_auroc"], told["within_rounds_interval"]),
            _of(told["pooled_auroc"]),
            _of(spot.get("value"), spot.get("interval")),
        )


def _products(found: Mapping[str, Any]) -> Iterator[Row]:
    for name, told in found["products"].items():
        yield (name, _of(told["image_auroc"], told["image_auroc_interval"]), _of(told["pixel_ap"]))
        for key in sorted(told):
            if key.startswith("control_"):
                label = key.removeprefix("control_").replace("_", " ")
                yield (f"control: {label}", _of(told[key]), _of(told.get(f"pixel_ap_{label}")))


def _heat(found: Mapping[str, Any]) -> Iterator[Row]:
    for name, told in found.items():
        if name == "decoder" or name.startswith("control_"):
            yield (
                name.replace("control_", "control: "),
                _of(told["pixel_ap"], told["pixel_ap_interval"]),
                _of(told["aupimo"]),
                _of(told["image_auroc"], told["image_auroc_interval"]),
            )
    for defect, precision in found["pixel_ap_by_defect"].items():
        yield (f"decoder, {defect.replace('_', ' ')} alone", _of(precision), "-", "-")


def _compressed(found: Mapping[str, Any]) -> Iterator[Row]:
    for how, told in found["tried"].items():
        old, new, cost = told["parent"], told["variant"], told["cost"]["variant_over_parent"]
        yield (
            how,
            f"{_of(old['macro_f1'])} to {_of(new['macro_f1'])}",
            f"{_of(old['ece'])} to {_of(new['ece'])}",
            f"{_of(old['alarm_recall'])} to {_of(new['alarm_recall'])}",
            f"{cost['batch_1']:.2f}, {cost['batch_32']:.2f}",
            f"{told['bytes']['variant'] / told['bytes']['parent']:.2f}",
            "passed" if told["passed"] else "refused: " + "; ".join(told["reasons"]),
        )


TABLES = (
    Table(
        name="fleet",
        title="Cold start: nothing but normal was told",
        caveat="Simulated machines, seven days learned, faults they never met; the budget is 0.7 "
        "false alarms a machine-week. That picture and text add to sound is not shown by it.",
        head=("watched", "events found", "false alarms a machine-week", "median lead, h"),
        rows=_fleet,
    ),
    Table(
        name="maintnorm",
        title="Work orders spelt out, learned at one company and tried at another",
        caveat="Accuracy on tokens changed beyond case. Both companies' errors were read while "
        "rules were written, so a third company is the real test.",
        head=("direction", "lexicon and rules", "ours", "points gained", "without raw lines"),
        rows=_spelling,
    ),
    Table(
        name="bldc",
        title="Faulty motors by ear",
        caveat="Few recordings, and the window length was chosen with these scores in view. "
        "Loudness alone does well on them.",
        head=("fault", "recall, speeds left out", "specificity, unseen motors", "AUROC"),
        rows=_motors,
    ),
    *(
        Table(
            name=f"cookie-{encoder}",
            title=f"Products against normals by k-fold, encoder {encoder}",
            caveat="Encoder settings were compared on these same pictures.",
            head=("", "image AUROC", "pixel AP"),
            rows=_products,
        )
        for encoder in ("builtin", "lite0")
    ),
    *(
        Table(
            name=f"bsdata-{encoder}",
            title=f"Pitting on ball screws, one sequence left out, encoder {encoder}",
            caveat="All places age together, so only the comparison within a round of photographs "
            "says anything of the picture; what a control reaches there is no merit.",
            head=("", "AUROC within rounds", "pooled AUROC", "pixel AP"),
            rows=_pits,
        )
        for encoder in ("builtin", "lite0")
    ),
    Table(
        name="heatmap",
        title="Where the defect is, learned from masks",
        caveat="The simulator's product lane, machines never met. A network of its own, not part "
        "of a bundle; real masks are needed where real products are looked at.",
        head=("", "pixel AP", "AUPIMO", "picture AUROC"),
        rows=_heat,
    ),
    *(
        Table(
            name=f"compress-{kind}",
            title=f"The built-in bundle made smaller: {said}",
            caveat="Written only through a gate: at most 0.01 of macro-F1 lost and 0.01 of "
            "calibration error added, no event missed that the parent found, the same answers at "
            "every batch size; the gate looks at the same unmet machines as these figures. CPU "
            "time and size are the variant's over the parent's, on a busy machine.",
            head=(
                "made smaller",
                "macro-F1",
                "calibration error",
                "events found at the budget",
                "CPU time, 1 and 32 windows",
                "size",
                "gate",
            ),
            rows=_compressed,
        )
        for kind, said in (("int8", "eight bits"), ("pruned", "fewer channels"))
    ),
)


def results_section(folder: Path = FOLDER) -> str:
    """Return the tables of all results that are committed, with what made each."""
    parts: list[str] = []
    for table in TABLES:
        file = folder / f"{table.name}.json"
        if file.is_file():
            parts += _told(table, json.loads(file.read_text()))
    return "\n".join([BEGIN, *parts, "", END])


def _told(table: Table, result: Mapping[str, Any]) -> Iterator[str]:
    machine = result["machine"]
    yield from ("", f"**{table.title}.** {table.caveat}", "")
    yield "| " + " | ".join(table.head) + " |"
    yield "|" + "---|" * len(table.head)
    yield from ("| " + " | ".join(row) + " |" for row in table.rows(result["figures"]))
    made = f"`{result['command']}`, {result['seconds']:.0f} s at commit {result['commit']}"
    yield from ("", f"<sub>{made}, {machine['cores']} cores of {machine['processor']}</sub>")


def with_results(text: str, section: str) -> str:
    """Return a document with its results replaced.

    Raises:
        ValueError: It has no place for them.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("no place for results: it needs the two marks")
    return before + section + after
