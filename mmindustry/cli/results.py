"""The committed results of long runs, told as tables: no figure is typed by hand."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmindustry.cli import result_rows
from mmindustry.cli.result_rows import Row

FOLDER = Path("deploy/handbook/results")
README = Path("README.md")
BEGIN = "<!-- results: written by `mmindustry handbook write`, from deploy/handbook/results -->"
END = "<!-- end of results -->"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """How one result is told. `caveat` stands above the figures, and behind it `notes`: what the
    result itself says of its figures."""

    name: str
    title: str
    caveat: str
    head: Row
    rows: Callable[[Mapping[str, Any]], Iterator[Row]]
    notes: Callable[[Mapping[str, Any]], Iterator[str]] = lambda _: iter(())


TABLES = (
    *(
        Table(
            name=f"bench-fusion-{windows}",
            title=f"Ways of fusing, learned from {windows} windows of the simulator's hard split",
            caveat="Macro-F1 over nine classes on machines never met, mean and spread over seeds, "
            "whole networks trained alike with nothing tuned to one fusion; single senses are the "
            "same network's. They count only where the gates below hold.",
            head=(
                "fusion",
                "windows",
                "seeds",
                "fused",
                "gain over the best sense",
                "picture",
                "sound",
                "text",
                "partners shuffled",
                "over its additive copy",
                "training, CPU s",
            ),
            rows=result_rows.fusions,
        )
        for windows in (500, 4_000)
    ),
    Table(
        name="bench-fusion-500",
        title="What keeps these figures honest",
        caveat="Gates on the reference network (late fusion). Gate 8's factors are our own and of "
        "medians: nobody would take the simulator for real by them. Gate 5's rule was "
        "[changed](deploy/handbook/decisions/bench-gates.md) after its first form, one forty "
        "of machines alone, had failed.",
        head=("gate", "rule", "figures", ""),
        rows=result_rows.gates,
        notes=result_rows.gate_notes,
    ),
    Table(
        name="bench-choose",
        title="The default fusion, by nested cross-validation",
        caveat="Grouped by machine, 500 windows; the simplest within one standard error of the "
        "best is taken.",
        head=("fusion", "macro-F1", "outer folds"),
        rows=result_rows.choice,
    ),
    Table(
        name="missing",
        title="One network for every pattern of presence, against a specialist for each",
        caveat="Simulated machines never met; the specialist learns from the same windows, jointly "
        "and on that pattern alone.",
        head=("present", "macro-F1", "over the specialist", "calibration error", ""),
        rows=result_rows.missing,
        notes=result_rows.missing_notes,
    ),
    Table(
        name="fleet",
        title="Cold start: nothing but normal was told",
        caveat="Simulated machines, seven days of each learned; the budget is 0.7 "
        "false alarms a machine-week. That picture and text add to sound is not shown by it.",
        head=("watched", "events found", "false alarms a machine-week", "median lead, h"),
        rows=result_rows.fleet,
        notes=result_rows.fleet_notes,
    ),
    Table(
        name="maintnorm",
        title="Work orders spelt out, learned at one company and tried at another",
        caveat="Accuracy on tokens changed beyond case. Both companies' errors were read while "
        "rules were written, so a third company is the real test. Ours counts words in unlabelled "
        "raw lines of the company tried at and knows general plain words; without either of them "
        "one direction gains less than five points.",
        head=(
            *("direction", "lexicon and rules", "ours", "points gained", "without raw lines"),
            *("without raw lines and plain words", "points gained so"),
        ),
        rows=result_rows.spelling,
    ),
    Table(
        name="bldc",
        title="Faulty motors by ear",
        caveat="Few recordings, and the window length was chosen with these scores in view. "
        "Loudness alone does well on them. Windows of a recording overlap, so intervals are by "
        "recording: bootstrap for the share of windows (it shows no width where all are right), "
        "Wilson for the share of recordings.",
        head=("fault", "recall, speeds left out", "specificity, unseen motors", "AUROC"),
        rows=result_rows.motors,
    ),
    *(
        Table(
            name=f"cookie-{encoder}",
            title=f"Products against normals by k-fold, encoder {encoder}",
            caveat="Encoder settings were compared on these same pictures.",
            head=("", "image AUROC", "pixel AP"),
            rows=result_rows.products,
        )
        for encoder in ("builtin", "lite0")
    ),
    *(
        Table(
            name=f"bsdata-{encoder}",
            title=f"Pitting on ball screws, one sequence left out, encoder {encoder}",
            caveat="All places age together, so only the comparison within a round of photographs "
            "says anything of the picture; what a control reaches there is no merit. Smoothing, "
            "the share of cells, what the built-in encoder looks at and how the head is taught "
            "were chosen on five of the ten sequences.",
            head=("", "AUROC within rounds", "pooled AUROC", "pixel AP"),
            rows=result_rows.pits,
            notes=result_rows.pit_notes,
        )
        for encoder in ("builtin", "lite0")
    ),
    Table(
        name="heatmap",
        title="Where the defect is, learned from masks",
        caveat="The simulator's product lane, machines never met. The built-in bundle carries this "
        "network; real masks are needed where real products are looked at.",
        head=("", "pixel AP", "AUPIMO", "picture AUROC"),
        rows=result_rows.heat,
    ),
    *(
        Table(
            name=f"compress-{kind}",
            title=f"The built-in bundle made smaller: {said}",
            caveat="Written only through a gate: at most 0.01 of macro-F1 lost, of faults and of "
            "products, and 0.01 of calibration error added, no event missed that the parent found, "
            "the same answers at every batch size; the gate looks at the same unmet machines as "
            "these figures. CPU time and size are the variant's over the parent's, on a busy "
            "machine.",
            head=(
                "made smaller",
                "macro-F1",
                "products' macro-F1",
                "calibration error",
                "events found at the budget",
                "CPU time, 1 and 32 windows",
                "size",
                "gate",
            ),
            rows=result_rows.compressed,
        )
        for kind, said in (("int8", "eight bits"), ("pruned", "fewer channels"))
    ),
    Table(
        name="transfer",
        title="Encoders that learned on the simulator, tried on real material",
        caveat="Encoders are frozen, with a linear head of a few real labels, against the same "
        "with random weights (balanced accuracy). Few groups: what a head gains on them is a hint, "
        "and what it gains on pictures changed its sign from one bundle to the next. Draws of half "
        "the groups to learn from overlap, so the ± is of draws and not of new material. Sound is "
        "of motors recorded both healthy and faulty, met on both sides. The heat map is tried as "
        "it is.",
        head=("material", "labels", "learned on the simulator", "random", "gain"),
        rows=result_rows.transfers,
    ),
    Table(
        name="presets",
        title="What the classic systems cost to serve",
        caveat="CPU-ms a window, network alone, one thread of ONNX Runtime; weights are drawn, not "
        "trained, and every frame, segment and word of the window is there.",
        head=("network", "million weights", "MB", "one window", "eight together"),
        rows=result_rows.classics,
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
    said = " ".join([table.caveat, *table.notes(result["figures"])])
    yield from ("", f"**{table.title}.** {said}", "")
    yield "| " + " | ".join(table.head) + " |"
    yield "|" + "---|" * len(table.head)
    yield from ("| " + " | ".join(row) + " |" for row in table.rows(result["figures"]))
    made = f"`{result['command']}`, {result['seconds']:.0f} s at commit {result['commit']}"
    made += result_rows.made_of(result["figures"])
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
