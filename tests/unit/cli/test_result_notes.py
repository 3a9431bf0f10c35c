"""What stands above a table of results is said by the result itself."""

from typing import Any

from mmindustry.cli.result_rows import (
    fleet,
    fleet_notes,
    fusions,
    gate_notes,
    made_of,
    missing_notes,
    pit_notes,
)


def _pits(low: float) -> dict[str, Any]:
    apart = {
        "control_file_bytes": {"value": low + 0.05, "interval": [low, low + 0.1]},
        "control_index": {"value": 0.2, "interval": [0.1, 0.3]},
    }
    return {"above_every_control": low > 0, "within_rounds_above_controls": apart}


def test_pits_below_a_control_are_told_as_missed_with_the_control() -> None:
    (told,) = pit_notes(_pits(-0.12))

    assert told.startswith("Missed")
    assert "file bytes -0.070 (-0.120 to -0.020)" in told
    assert "index" not in told
    assert next(pit_notes(_pits(0.01))).startswith("Above every control")


def test_a_cost_that_can_not_be_told_from_zero_is_told_so() -> None:
    turns = {"gate": 5, "drop_by_turn": [-0.026, 0.084, -0.006, 0.021, -0.037]}
    clear = {"gate": 5, "drop_by_turn": [0.05, 0.051, 0.052, 0.049, 0.05]}

    assert "0.007 (-0.053 to 0.067, 5 turns): it can't be told from zero" in " ".join(
        gate_notes({"gates": [turns]})
    )
    assert "it is not zero" in " ".join(gate_notes({"gates": [clear]}))


def test_how_far_the_simulator_stands_from_real_recordings_is_told() -> None:
    real = {
        "gate": 8,
        "passed": True,
        "kurtosis": {"ratio": 0.94, "factor": 2.0, "alike": True},
        "growth_bearing": {"ratio": 2.09, "factor": None, "alike": None},
    }

    held, loose = gate_notes({"gates": [real]})

    assert "kurtosis 0.94 (within 2)" in held
    assert "growth bearing 2.09" in loose
    assert "growth" not in held


def test_a_fleet_says_what_made_it_easier_than_a_plant() -> None:
    found: dict[str, Any] = {
        "assets": 14,
        "events": 42,
        "bundle": "builtin-x",
        "pool": 300,
        "fault_windows": 30,
        "budget": 0.7,
        "ways": {
            "all": {"event_recall_95": [0.589, 0.847], "false_alarms_per_machine_week": 1.0},
            "text_alone": {"false_alarms_per_machine_week": 1.6},
        },
    }
    told = " ".join(fleet_notes(found))
    counted = " ".join(fleet_notes(found | {"broken_moments": 7, "moments": 900}))
    never = {"event_recall": 0.0, "armed_share": 0.0, "achieved_over_budget": None}
    silent = " ".join(fleet_notes(found | {"ways": found["ways"] | {"text_alone": never}}))

    assert "begins at 0.589, below the goal of 0.60" in told
    assert "14 machines (the goal names 20)" in told
    assert "`builtin-x`" in told
    assert "not counted by this run" in told
    assert told.count("the budget is not kept") == 1
    assert "Watched by text alone the budget is not kept: 1.60." in told
    assert "7 of 900 moments" in counted
    assert "the budget is not kept" not in silent
    assert "Watched by text alone no budget can be kept from so few normal hours" in silent
    assert "dealt to the others" in silent
    unarmed = " ".join(fleet_notes(found | {"ways": {"all": never}}))
    assert "picture, sound and text no budget can be kept" in unarmed
    assert "dealt to the others" not in unarmed


def test_a_table_of_standing_cells_tells_their_commits() -> None:
    made = {"cells": 3, "commits": {"c1": 2, "c2": 1}, "train_cpu_seconds": 17.5}

    told = made_of({"made_of": made | {"cells_without_seconds": 0}})

    assert told == "; put together from 3 cells made at c1 (2), c2 (1), 18 CPU s"
    assert not made_of({})


def test_one_seed_has_no_spread() -> None:
    figures = ("fused", "gain", "image", "audio", "text", "shuffled", "synergy_gap")
    row = {name: [0.5, 0.0] for name in (*figures, "train_cpu_seconds")}
    told = {"fusion": "late", "windows": 4000, **row}

    (one,), (several,) = (list(fusions({"rows": [told | {"seeds": seeds}]})) for seeds in (1, 3))

    assert one[3] == "0.500"
    assert several[3] == "0.500 ± 0.000"


def test_a_way_of_watching_that_was_never_armed_stands_in_the_table_as_such() -> None:
    way = {
        "event_recall": 0.5,
        "event_recall_95": [0.4, 0.6],
        "false_alarms_per_machine_week": 0.4,
        "false_alarms_per_machine_week_95": [0.3, 0.5],
        "lead_median_hours": 3.0,
    }
    names = ("all", "audio_alone", "image_alone", "random", "periodic", "age_only", "always_on")
    ways = dict.fromkeys(names, way)
    never = {"event_recall": 0.0, "armed_share": 0.0, "achieved_over_budget": None}

    rows = {row[0]: row[1:] for row in fleet({"ways": {**ways, "text_alone": never}})}

    assert rows["text alone"] == ("never armed", "-", "-")
    assert rows["sound alone"][0] == "0.500 (0.400 to 0.600)"


def test_what_missing_modalities_cost_is_told_with_the_bundle_that_was_judged() -> None:
    found = {
        "patterns": {"image": {"passed": True}, "text": {"passed": False}},
        "limits": {"loss": 0.02, "ece": 0.05},
        "windows": {"train": 5450},
    }

    told = " ".join(missing_notes(found | {"bundle": "builtin-x"}))
    trained = " ".join(missing_notes(found | {"bundle": None}))

    assert "The one network is that of the bundle `builtin-x`." in told
    assert "Learned from 5,450 windows" in trained
    assert "in 1 of 2 patterns" in trained
    assert "builtin-x" not in trained
