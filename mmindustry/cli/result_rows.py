"""Result files of long runs -> the rows of their tables."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmindustry.training.scores import mean_interval

Row = tuple[str, ...]

FLEET_RECALL = 0.60
FLEET_MACHINES = 20
FLEET_OVERSPENT = 1.5
"""What a cold start is to reach: the share of events found, on so many machines, with at most so
many times the budget of false alarms."""

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


def _of(value: Any, interval: Any = None) -> str:
    if value is None:
        return "-"
    told = f"{value:.3f}" if isinstance(value, float) else str(value)
    return told if interval is None else f"{told} ({interval[0]:.3f} to {interval[1]:.3f})"


def _was_never_armed(way: Mapping[str, Any]) -> bool:
    return "achieved_over_budget" in way and way["achieved_over_budget"] is None


def fleet(found: Mapping[str, Any]) -> Iterator[Row]:
    """Yield each way of watching a fleet."""
    for name, label in _WAYS.items():
        way = found["ways"][name]
        if _was_never_armed(way):
            yield label, "never armed", "-", "-"
            continue
        yield (
            label,
            _of(way["event_recall"], way["event_recall_95"]),
            _of(way["false_alarms_per_machine_week"], way["false_alarms_per_machine_week_95"]),
            _of(way["lead_median_hours"]),
        )


def spelling(found: Mapping[str, Any]) -> Iterator[Row]:
    """Yield each direction between companies."""
    for way, told in found["directions"].items():
        ours, rules = told["ours"]["changed"], told["baseline"]["changed"]
        alone = told["ours_without_raw_lines_and_plain_words"]["changed"]
        yield (
            way.replace("->", " to "),
            _of(rules["accuracy"], rules["interval_by_line"]),
            _of(ours["accuracy"], ours["interval_by_line"]),
            f"{told['gain_points']:.1f}",
            _of(told["ours_without_raw_lines"]["changed"]["accuracy"]),
            _of(alone["accuracy"], alone["interval_by_line"]),
            f"{100 * (alone['accuracy'] - rules['accuracy']):.1f}",
        )


def motors(found: Mapping[str, Any]) -> Iterator[Row]:
    """Yield each fault by ours and the controls."""
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
                _by_recording(recall),
                _by_recording(unseen),
                _of(heard["one_threshold"]["auroc"]),
            )


def _by_recording(rate: Mapping[str, Any]) -> str:
    """Return a share of windows, and of recordings, whose windows overlap and are no units."""
    whole = rate["recordings_right"]
    return (
        f"{_of(rate['value'], rate['interval_by_recording'])}; of {rate['recordings']} recordings "
        f"{_of(whole['value'], whole['wilson'])}"
    )


def pits(found: Mapping[str, Any]) -> Iterator[Row]:
    """Yield ours and each control, ours first."""
    for name, told in sorted(found["scored"].items(), key=lambda item: item[0] != "ours"):
        spot = found["pixel_ap"] if not name.startswith("control") else {}
        yield (
            name.replace("control_", "control: ").replace("_", " "),
            _of(told["within_rounds_auroc"], told["within_rounds_interval"]),
            _of(told["pooled_auroc"]),
            _of(spot.get("value"), spot.get("interval")),
        )


def products(found: Mapping[str, Any]) -> Iterator[Row]:
    """Yield each product and its controls."""
    for name, told in found["products"].items():
        yield (name, _of(told["image_auroc"], told["image_auroc_interval"]), _of(told["pixel_ap"]))
        for key in sorted(told):
            if key.startswith("control_"):
                label = key.removeprefix("control_").replace("_", " ")
                yield (f"control: {label}", _of(told[key]), _of(told.get(f"pixel_ap_{label}")))


def heat(found: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the decoder, the controls, and each defect alone."""
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


def compressed(found: Mapping[str, Any]) -> Iterator[Row]:
    """Yield each way of making smaller that was tried."""
    for how, told in found["tried"].items():
        old, new, cost = told["parent"], told["variant"], told["cost"]["variant_over_parent"]
        yield (
            how,
            f"{_of(old['macro_f1'])} to {_of(new['macro_f1'])}",
            f"{_of(old['product_macro_f1'])} to {_of(new['product_macro_f1'])}",
            f"{_of(old['ece'])} to {_of(new['ece'])}",
            f"{_of(old['alarm_recall'])} to {_of(new['alarm_recall'])}",
            f"{cost['batch_1']:.2f}, {cost['batch_32']:.2f}",
            f"{told['bytes']['variant'] / told['bytes']['parent']:.2f}",
            "passed" if told["passed"] else "refused: " + "; ".join(told["reasons"]),
        )


def fusions(found: Mapping[str, Any]) -> Iterator[Row]:
    """Yield each fusion and size, mean and spread over seeds."""
    for row in found["rows"]:
        yield (
            row["fusion"],
            f"{row['windows']}",
            f"{row['seeds']}",
            *(
                _spread(row[name], row["seeds"])
                for name in ("fused", "gain", "image", "audio", "text", "shuffled", "synergy_gap")
            ),
            f"{row['train_cpu_seconds'][0]:.0f}",
        )


def gates(found: Mapping[str, Any]) -> Iterator[Row]:
    """Yield each gate of the bench, and whether it holds."""
    held = {True: "holds", False: "FAILS", None: "not tried"}
    for gate in found["gates"]:
        told = {name: value for name, value in gate.items() if isinstance(value, float)}
        figures = ", ".join(
            f"{name.replace('_', ' ')} {_of(value)}" for name, value in told.items()
        )
        yield (str(gate["gate"]), gate["rule"], figures or "-", held[gate["passed"]])


def gate_notes(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the gates' figures do not show."""
    told = {gate["gate"]: gate for gate in found["gates"]}
    if drops := told.get(5, {}).get("drop_by_turn"):
        _, (low, high) = mean_interval(drops)
        zero = "can't be told from zero" if low <= 0 <= high else "is not zero"
        mean = sum(drops) / len(drops)
        yield (
            f"Machines never met cost {mean:.3f} ({low:.3f} to {high:.3f}, {len(drops)} turns): "
            f"it {zero}."
        )
    ratios = {
        name: one
        for name, one in told.get(8, {}).items()
        if isinstance(one, Mapping) and one.get("ratio") is not None
    }
    held = [_ratio(name, one) for name, one in ratios.items() if one.get("factor") is not None]
    loose = [_ratio(name, one) for name, one in ratios.items() if one.get("factor") is None]
    if held:
        yield f"Gate 8, the simulator over real recordings: {', '.join(held)}."
    if loose:
        yield f"Told and held to nothing: {', '.join(loose)}."


def _ratio(name: str, one: Mapping[str, Any]) -> str:
    limit = "" if one.get("factor") is None else f" (within {one['factor']:g})"
    return f"{name.replace('_', ' ')} {one['ratio']:.2f}{limit}"


def pit_notes(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield whether ours is above every control, and which it misses."""
    if found["above_every_control"]:
        yield "Above every control within rounds."
        return
    beyond = {
        name.removeprefix("control_").replace("_", " "): told
        for name, told in found["within_rounds_above_controls"].items()
        if told["interval"][0] <= 0
    }
    told = ", ".join(f"{n} {_of(one['value'], one['interval'])}" for n, one in beyond.items())
    yield f"Missed: not above every control within rounds; ours less the control: {told}."


def fleet_notes(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield what made it easier than a plant would, and how far it is from the goal."""
    low = found["ways"]["all"].get("event_recall_95", (0.0,))[0]
    if low < FLEET_RECALL:
        yield (
            f"The interval of events found begins at {low:.3f}, below the goal of "
            f"{FLEET_RECALL:.2f}."
        )
    yield (
        f"{found['assets']} machines (the goal names {FLEET_MACHINES}), {found['events']} faults. "
        f"Embeddings are those of the bundle `{found['bundle']}`, which was trained with labels of "
        "this simulator's fault classes: nothing was told of these machines, but what "
        "faults look like was."
    )
    for name in ("all", "audio_alone", "image_alone", "text_alone"):
        way = found["ways"].get(name, {})
        spent = way.get("false_alarms_per_machine_week", 0.0)
        if spent > FLEET_OVERSPENT * found["budget"]:
            yield f"Watched by {_WAYS[name]} the budget is not kept: {spent:.2f}."
        elif _was_never_armed(way):
            dealt = "" if name == "all" else ", and its part is dealt to the others"
            yield (
                f"Watched by {_WAYS[name]} no budget can be kept from so few normal hours: "
                f"it is never armed{dealt}."
            )
    if "broken_moments" in found:
        taken = f"{found['broken_moments']} of {found['moments']} moments"
    else:
        taken = "moments, not counted by this run,"
    yield f"Left out by ground truth, which no plant has: {taken} with a sensor in trouble."
    yield (
        f"Not all weeks were rendered: each machine's healthy moments are drawn again and again "
        f"from {found['pool']} rendered ones of about the same five hours of the day, a long "
        f"fault's from {found['fault_windows']}."
    )


def made_of(found: Mapping[str, Any]) -> str:
    """Return at which commits the cells of a table were made, empty where it has none."""
    made = found.get("made_of")
    if not made:
        return ""
    commits = ", ".join(f"{commit} ({count})" for commit, count in made["commits"].items())
    cost = "" if made["cells_without_seconds"] else f", {made['train_cpu_seconds']:.0f} CPU s"
    return f"; put together from {made['cells']} cells made at {commits}{cost}"


def choice(found: Mapping[str, Any]) -> Iterator[Row]:
    """Yield each candidate by outer folds, and what choosing itself is worth."""
    for name, scores in found["scores"].items():
        mark = ", chosen" if name == found["chosen"] else ""
        yield (f"{name}{mark}", *_folds(scores))
    yield ("the choice of each fold, nested", *_folds(found["nested_macro_f1"]))


def missing(found: Mapping[str, Any]) -> Iterator[Row]:
    """Yield each presence pattern: one network for all against a specialist."""
    for pattern, row in found["patterns"].items():
        yield (
            pattern.replace("+", ", "),
            _of(row["whole"]),
            _of(row["difference"], row["difference_95"]),
            _of(row["ece"], row["ece_95"]),
            "holds" if row["passed"] else "missed",
        )


def missing_notes(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the one network may lose, and in how many patterns it keeps to that."""
    limits, patterns = found["limits"], found["patterns"]
    held = sum(1 for row in patterns.values() if row["passed"])
    if found.get("bundle"):
        yield f"The one network is that of the bundle `{found['bundle']}`."
    yield (
        f"Learned from {found['windows']['train']:,} windows. At most {limits['loss']:g} may be "
        f"lost to the specialist and {limits['ece']:g} of calibration error is allowed: the one "
        f"network keeps to both in {held} of {len(patterns)} patterns."
    )


def _spread(told: Sequence[float], seeds: int) -> str:
    return f"{told[0]:.3f} ± {told[1]:.3f}" if seeds > 1 else f"{told[0]:.3f}"


def _folds(scores: Sequence[float]) -> tuple[str, str]:
    mean = sum(scores) / len(scores)
    return f"{mean:.3f}", ", ".join(f"{score:.3f}" for score in scores)


def classics(found: Mapping[str, Any]) -> Iterator[Row]:
    """Yield what each preset costs to serve, the default network among them."""
    end = "_parameters"
    for name in (key.removesuffix(end) for key in found if key.endswith(end)):
        yield (
            name,
            f"{found[f'{name}{end}'] / 1e6:.1f}",
            f"{found[f'{name}_model_mb']:.1f}",
            *(f"{found[f'{name}_cpu_ms_a_window_batch_{size}']:.2f}" for size in (1, 8)),
        )


def transfers(found: Mapping[str, Any]) -> Iterator[Row]:
    """Yield what encoders that learned on the simulator are worth on real material."""
    for kind, told in found["kinds"].items():
        groups = f"{told['groups']} {told['groups_are']}"
        for row in sorted(told["labels"].values(), key=lambda one: one["learned_from"]):
            yield (
                f"{kind}, {told['windows']} windows of {groups}",
                f"{row['learned_from']}",
                _of(row["pretrained"]),
                _of(row["random"]),
                f"{row['gain']:.3f} ± {row['gain_standard_error']:.3f}",
            )
    if (heat := found.get("heatmap")) is not None:
        shown = f"heat map, {heat['defective']} of {heat['pictures']} products damaged"
        for figure, label in (("pixel_ap", "pixel AP"), ("image_auroc", "picture AUROC")):
            drawn = max(one[figure] for one in heat["random"])
            ours, light = heat["ours"], heat["brightness"][figure]
            yield (
                f"{shown}: {label}",
                "none",
                _of(ours[figure], ours[f"{figure}_interval"]),
                f"{_of(drawn)} at most; light alone {_of(light)}",
                _of(ours[figure] - max(drawn, light)),
            )
