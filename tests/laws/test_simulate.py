"""Laws of the simulator, over any seed: it repeats, it decodes, its truth is consistent."""

from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mmindustry.simulate.acoustics import ball_pass_orders
from mmindustry.simulate.agenda import Agenda
from mmindustry.simulate.faults import CATALOGUE, draw_decay
from mmindustry.simulate.impulses import (
    Continuity,
    Train,
    impact_turns,
    make_span,
    place_samples,
)
from mmindustry.simulate.machine import BEARINGS, draw_machine
from mmindustry.simulate.policy import SimulatePolicy
from mmindustry.simulate.seeds import generator
from mmindustry.simulate.truth import Episode
from mmindustry.simulate.windows import labelled_windows

START = datetime(2026, 1, 5, tzinfo=UTC)
SEEDS = st.integers(0, 2**40)


@settings(max_examples=10)
@given(SEEDS, st.integers(0, 12))
def test_a_window_is_made_of_its_seed_and_number_alone(seed: int, number: int) -> None:
    alone = list(labelled_windows(number + 1, seed, assets=13))[number]
    again = list(labelled_windows(number + 1, seed, assets=13))[number]

    assert [i.content for i in alone.window.items] == [i.content for i in again.window.items]
    assert [e.content for e in alone.context.entries] == [e.content for e in again.context.entries]
    assert alone.truth.fault == again.truth.fault


@given(SEEDS, st.sampled_from(sorted(CATALOGUE)), st.floats(0, 1), st.floats(0, 1))
def test_severity_first_reached_is_reached(
    seed: int, fault: str, severity: float, earlier: float
) -> None:
    decay = draw_decay(CATALOGUE[fault], generator(seed, "law"))

    share = decay.share_at(severity)

    assert decay.severity_at(share) >= min(severity, 1.0) - 1e-9
    assert decay.share_at(severity * earlier) <= share


@given(SEEDS, st.floats(0, 1), st.booleans())
def test_an_episode_is_severe_only_within_its_span(
    seed: int,
    share: float,
    overhauled: bool,  # noqa: FBT001 - drawn
) -> None:
    rng = generator(seed, "episode-law")
    failure = START + timedelta(hours=10)
    ended = START + timedelta(hours=10 * share) if overhauled else None
    mode = CATALOGUE["looseness"]
    episode = Episode(
        asset="a/b/c/d",
        fault=mode.name,
        onset=START,
        failure=failure,
        decay=draw_decay(mode, rng),
        ended=ended,
    )

    assert episode.severity(START - timedelta(microseconds=1)) == 0
    assert episode.severity(episode.last + timedelta(microseconds=1)) == 0
    assert 0 <= episode.severity(START + timedelta(hours=10 * share)) <= 1


@given(SEEDS, st.sampled_from(BEARINGS), st.floats(8, 32), st.floats(0, 100))
def test_impacts_keep_their_rate_over_seams(
    seed: int, bearing: object, shaft_hz: float, turns: float
) -> None:
    order = ball_pass_orders(bearing)["outer"]  # type: ignore[arg-type]
    train, rng = Train(order=order, slip=0.01), generator(seed, "impacts")
    state = Continuity(seconds=0.0, turns=turns, impact=turns)
    found = []
    for _ in range(4):
        span = make_span(state, shaft_hz, frames=8000, rate_hz=16_000)
        inside, following = impact_turns(train, span, state.impact, rng)
        found.append(inside)
        state = Continuity(
            seconds=state.seconds + 0.5,
            turns=float(span.turns[-1]) + shaft_hz / 16_000,
            impact=following,
        )

    gaps = np.diff(np.concatenate(found)) * order

    assert gaps.min() > 0.9
    assert gaps.max() < 1.1
    assert abs(gaps.mean() - 1) < 0.01


@given(st.lists(st.tuples(st.floats(0, 98.9), st.floats(-5, 5)), max_size=30))
def test_placed_impulses_keep_their_sum(impulses: list[tuple[float, float]]) -> None:
    samples = np.array([place for place, _ in impulses])
    strengths = np.array([strength for _, strength in impulses])

    placed = place_samples(100, samples, strengths)

    assert placed.shape == (100,)
    assert np.isclose(placed.sum(), strengths.sum(), atol=1e-4)


@settings(max_examples=25)
@given(SEEDS, st.lists(st.floats(0, 30 * 86_400), min_size=1, max_size=6), st.randoms())
def test_a_moment_is_the_same_in_whatever_order_it_is_asked(
    seed: int, moments: list[float], order: object
) -> None:
    policy = SimulatePolicy(seed=seed, assets=1, fault_every_hours=50)
    machine = draw_machine(policy, 0)
    forward, shuffled = Agenda(machine, policy, START), Agenda(machine, policy, START)
    mixed = list(moments)
    order.shuffle(mixed)  # type: ignore[attr-defined]

    asked = {at: shuffled.situation(at) for at in mixed}

    assert {at: forward.situation(at) for at in moments} == asked
