"""The difficulty card is fixed, and the usual plant is not moved by it."""

import json
from hashlib import sha256

import pytest

from mmindustry.simulate.cases import draw_case
from mmindustry.simulate.difficulty import hard
from mmindustry.simulate.evidence import measure, power_db, twin_draws
from mmindustry.simulate.machine import draw_machine
from mmindustry.simulate.policy import SimulatePolicy
from mmindustry.simulate.situation import Twin


def test_the_hard_card_is_the_one_that_results_were_made_with(pytestconfig: pytest.Config) -> None:
    folder = pytestconfig.rootpath / "deploy" / "handbook" / "results"
    figures = [json.loads(path.read_text())["figures"] for path in folder.glob("bench-*.json")]

    made_with = {found["card_hash"] for found in figures}

    assert made_with == {hard().hash}


def test_the_hard_card_was_not_moved_after_it_was_committed() -> None:
    card = {name: value for name, value in hard().document().items() if name != "simulator"}

    told = sha256(json.dumps(card, sort_keys=True).encode()).hexdigest()

    assert told == "e79e26cfdbab09dd82468b797e187607fba0469ae9d608aedd9e0248b1829891"


def test_look_alikes_stand_at_25_to_30_percent() -> None:
    policy = hard().policy

    assert 0.25 <= policy.twin_share <= 0.30
    assert 0.25 <= policy.neighbour_share <= 0.30


def test_the_neighbour_shifts_no_other_draw() -> None:
    usual, beside = SimulatePolicy(), SimulatePolicy(neighbour_share=0.3)
    machine = draw_machine(usual, 0)

    for visit in range(40):
        one, two = (draw_case(machine, visit, policy) for policy in (usual, beside))
        assert one.situation.twins == two.situation.twins - {Twin.NEIGHBOUR}
        assert (one.fault, one.severity, one.phase) == (two.fault, two.severity, two.phase)


def test_experts_measure_a_case_the_same_every_time() -> None:
    policy = hard().policy
    machine = draw_machine(policy, 3)
    case = draw_case(machine, 2, policy)

    assert measure(machine, case, policy) == measure(machine, case, policy)


def test_lasting_traits_are_those_that_are_rendered() -> None:
    machine = draw_machine(hard().policy, 3)
    situation = draw_case(machine, 0, hard().policy).situation

    few, more = (twin_draws(machine, situation, Twin.KNOCKING, n) for n in (1, 4))

    assert few == more[:1]


def test_levels_add_as_powers() -> None:
    assert abs(power_db(0.0, 0.0) - 3.0103) < 1e-3
