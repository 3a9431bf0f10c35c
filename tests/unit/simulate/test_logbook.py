import re

import numpy as np
import pytest

from mmindustry.simulate.logbook import Entry, draw_delay_seconds
from mmindustry.simulate.machine import Machine, draw_fleet
from mmindustry.simulate.notes import LOOK_BACK_SECONDS, history
from mmindustry.simulate.policy import SimulatePolicy
from mmindustry.simulate.seeds import generator
from mmindustry.simulate.situation import Situation, Twin

FLEET = draw_fleet(SimulatePolicy(seed=3, assets=160))
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def situation(fault: str, *, severity: float = 0.9, rehearsed: bool = False) -> Situation:
    return Situation(
        fault=fault,
        severity=severity,
        speed_rpm=1400,
        load_ratio=0.7,
        twins=frozenset({Twin.WASH_DOWN, Twin.WELDING}),
        rehearsed=rehearsed,
    )


def entries(fault: str, *, symptom_seconds: float = 86_400.0) -> list[list[Entry]]:
    return [
        [
            line.entry
            for line in history(
                machine,
                situation(fault),
                symptom_seconds,
                generator("log", fault, machine.number),
            )
        ]
        for machine in FLEET
    ]


ALL = [
    entry
    for fault in ("healthy", "bearing_inner", "seal_leak")
    for book in entries(fault)
    for entry in book
]
ENGLISH = [entry for entry in ALL if entry.language == "en"]


def test_lines_are_as_long_as_real_ones() -> None:
    tokens = np.array([len(entry.text.split()) for entry in ENGLISH])

    assert 4.7 <= tokens.mean() <= 5.8
    assert 2 <= np.percentile(tokens, 5) <= 4
    assert 7 <= np.percentile(tokens, 95) <= 8
    assert tokens.max() <= 14


def test_a_tenth_to_a_quarter_of_tokens_are_ids_and_numbers() -> None:
    tokens = [token for entry in ENGLISH for token in entry.text.split()]

    assert 0.09 <= np.mean([any(c.isdigit() for c in token) for token in tokens]) <= 0.26


def test_a_fifth_of_tokens_needs_rewriting_beyond_case() -> None:
    changed = [
        [
            written.lower() != clean.lower()
            for written, clean in zip(entry.text.split(), entry.clean.split(), strict=True)
        ]
        for entry in ENGLISH
    ]

    assert 0.14 <= np.mean([hit for line in changed for hit in line]) <= 0.24
    assert 0.5 <= np.mean([any(line) for line in changed]) <= 0.7


def test_some_crews_write_in_capitals_and_others_hardly_ever() -> None:
    shares = [
        np.mean([e.text == e.text.upper() for e in book if e.language == "en"])
        for book in entries("healthy")
        if sum(e.language == "en" for e in book) >= 4
    ]

    assert 0.1 < np.mean(np.array(shares) > 0.6) < 0.5
    assert np.mean(np.array(shares) < 0.25) > 0.4


def test_chinese_is_written_by_about_three_in_ten() -> None:
    chinese = [entry for entry in ALL if CHINESE.search(entry.text)]

    assert 0.18 <= len(chinese) / len(ALL) <= 0.42
    assert all(entry.language == "zh" for entry in chinese)


def test_the_number_of_lines_does_not_know_the_label() -> None:
    well = np.array([len(book) for book in entries("healthy")])
    sick = np.array([len(book) for book in entries("bearing_inner")])

    spread = np.sqrt(well.var() / len(well) + sick.var() / len(sick))
    assert abs(well.mean() - sick.mean()) < 3 * spread


def test_faults_that_look_alike_are_told_in_the_same_words() -> None:
    def words(fault: str) -> set[str]:
        return {
            word.lower()
            for book in entries(fault)
            for entry in book
            if entry.about == fault
            for word in entry.clean.split()
            if word.isalpha()
        }

    for one, other in (("bearing_outer", "bearing_inner"), ("belt_slip", "motor_overheating")):
        shared = words(one) & words(other)
        assert len(shared) > 0.6 * min(len(words(one)), len(words(other)))


def test_a_quarter_of_symptoms_is_vague_and_none_comes_before_it_can_be_noticed() -> None:
    told = [e for book in entries("cavitation") for e in book if e.about == "cavitation"]
    early = [
        e
        for book in entries("cavitation", symptom_seconds=0.0)
        for e in book
        if e.about == "cavitation"
    ]

    vague = [e for e in told if len(e.clean.split()) <= 3 or "keep an eye" in e.clean]
    assert told
    assert not early
    assert 0.1 < len(vague) / len(told) < 0.5


def test_a_rehearsal_is_told_by_its_permit_and_not_as_a_symptom() -> None:
    for machine in FLEET[:40]:
        lines = history(
            machine,
            situation("imbalance", rehearsed=True),
            86_400.0,
            generator("drill", machine.number),
        )

        assert all(line.entry.about != "imbalance" for line in lines)
        if lines:
            assert any(
                line.entry.about == "rehearsal" and line.age_seconds < 3600 for line in lines
            )


def test_history_is_in_order_within_seven_days_and_the_same_again() -> None:
    machine: Machine = FLEET[0]
    first, second = (
        history(machine, situation("seal_leak"), 5e5, generator("same")) for _ in range(2)
    )

    ages = [line.age_seconds for line in first]
    assert ages == sorted(ages, reverse=True)
    assert all(0 < age <= LOOK_BACK_SECONDS for age in ages)
    assert first == second


def test_entries_come_forty_minutes_late_and_some_by_the_next_shift() -> None:
    delays = np.array([draw_delay_seconds(generator(n, "delay")) for n in range(3000)])

    assert np.median(delays) / 60 == pytest.approx(45, abs=10)
    assert 0.06 < np.mean(delays > 8 * 3600) < 0.16
