import librosa
import numpy as np
import pytest

from mmindustry.domain import AssetCard, Bearing, Context, OperatingState
from mmindustry.errors import BundleError
from mmindustry.features.orders import bearing_frequencies, envelope_spectrum, lines, spectra_of
from mmindustry.features.spec import ORDERS, Recipe
from mmindustry.features.spectra import Basis, cepstra, log_mel
from tests.unit.features import material as m

CEPSTRAL = Recipe(mfcc=20)
SIGNALS = {
    "noise": m.noise(1.024, 0.1).astype(np.float32),
    "impacts": m.impacts(1.024, 107.5)[:16_384].astype(np.float32),
    "tone": (np.sin(np.arange(16_384) * 0.1) + m.noise(1.024, 1e-3)[:16_384]).astype(np.float32),
    "quiet": m.noise(1.024, 1e-4).astype(np.float32),
}


def _librosa_db(samples: np.ndarray, recipe: Recipe) -> np.ndarray:
    mel = librosa.feature.melspectrogram(
        y=samples,
        sr=recipe.rate_hz,
        n_fft=recipe.n_fft,
        win_length=recipe.win,
        hop_length=recipe.hop,
        n_mels=recipe.mels,
        pad_mode="constant",
    )
    return np.asarray(librosa.power_to_db(mel, amin=recipe.mel_floor, top_db=None))


@pytest.mark.parametrize("name", sorted(SIGNALS))
def test_log_mel_equals_librosa_to_a_thousandth_of_a_decibel(name: str) -> None:
    oracle = _librosa_db(SIGNALS[name], CEPSTRAL)[:, :64]

    ours = 10 * log_mel(SIGNALS[name], CEPSTRAL, m.basis(CEPSTRAL))

    # Further below a full-scale tone both hold rounding of float32 only.
    audible = oracle > oracle.max() - 70
    assert np.abs(ours - oracle)[audible].max() <= 1e-3


@pytest.mark.parametrize("name", ["noise", "impacts", "quiet"])
def test_cepstra_equal_librosa_to_a_thousandth(name: str) -> None:
    oracle = librosa.feature.mfcc(S=_librosa_db(SIGNALS[name], CEPSTRAL), n_mfcc=20)[:, :64]

    logged = log_mel(SIGNALS[name], CEPSTRAL, m.basis(CEPSTRAL))

    assert np.abs(cepstra(logged, m.basis(CEPSTRAL)) - oracle).max() <= 1e-3


def test_length_of_the_sound_does_not_change_its_frames() -> None:
    samples = m.noise(4.096).astype(np.float32)

    long = log_mel(samples, m.RECIPE, m.basis())
    short = log_mel(samples[:16_384], m.RECIPE, m.basis())

    assert long.shape == (64, 256)
    assert np.allclose(long[:, :63], short[:, :63], atol=1e-5)


def test_mel_matrix_of_another_recipe_is_refused() -> None:
    with pytest.raises(BundleError, match="mel_basis"):
        Basis.of(Recipe(mels=40), m.basis().mel)


def test_bearing_frequencies_are_those_of_the_textbook() -> None:
    """107 Hz is the outer race at 1800 rpm, or the inner race at 1191 rpm, of a 6205."""
    fast = bearing_frequencies(m.SKF_6205, 1800 / 60)
    slow = bearing_frequencies(m.SKF_6205, 1191 / 60)

    assert fast["bpfo"] == pytest.approx(107.5, abs=0.1)
    assert slow["bpfi"] == pytest.approx(107.5, abs=0.1)
    assert fast["bpfo"] + fast["bpfi"] == pytest.approx(9 * 30.0)
    assert fast["bpfo"] == pytest.approx(9 * fast["ftf"])


@pytest.mark.parametrize("name", ["bpfo", "bpfi", "bsf"])
def test_impacts_of_a_bearing_fault_show_in_its_own_orders(name: str) -> None:
    hz = bearing_frequencies(m.SKF_6205, 30.0)[name]

    built = m.features(m.sound(m.impacts(5, hz)))

    energies = dict(zip(ORDERS, built.arrays["audio_orders"].mean(axis=0), strict=True))
    rivals = {"bpfo_1", "bpfi_1", "bsf_1"} - {f"{name}_1"}
    assert energies[f"{name}_1"] > 2.5
    assert all(energies[rival] < 1.5 for rival in rivals)


def test_speed_told_by_the_state_moves_the_orders() -> None:
    items = m.sound(m.impacts(5, bearing_frequencies(m.SKF_6205, 1191 / 60)["bpfi"]))
    state = m.event(OperatingState(speed_rpm=1191.0), 1.0)

    nominal = m.features(items).arrays["audio_orders"].mean(axis=0)
    told = m.features(items, Context(card=m.CARD, states=(state,))).arrays["audio_orders"]

    outer, inner = ORDERS.index("bpfo_1"), ORDERS.index("bpfi_1")
    assert nominal[outer] > 2.5 > nominal[inner]
    assert told.mean(axis=0)[inner] > 2.5 > told.mean(axis=0)[outer]


def test_imbalance_shows_at_the_first_shaft_order() -> None:
    t = np.arange(80_000) / 16_000

    built = m.features(m.sound(m.noise(5, 0.01) + 0.1 * np.sin(2 * np.pi * 30 * t)))

    energies = dict(zip(ORDERS, built.arrays["audio_orders"].mean(axis=0), strict=True))
    assert energies["shaft_1"] > 3
    assert energies["shaft_2"] < 2


def test_orders_nobody_can_compute_are_unknown_and_zero() -> None:
    built = m.features(m.sound(m.impacts(5, 107.5)), Context(card=AssetCard()))

    assert not built.arrays["audio_orders_known"].any()
    assert not built.arrays["audio_orders"].any()


def test_machine_without_bearings_still_has_its_shaft() -> None:
    known = lines(
        AssetCard(nominal_speed_rpm=1500.0, blades=5, gear_teeth=20, belt_ratio=0.5), None
    )

    assert known["blade_1"][0].hz == pytest.approx(125.0)
    assert known["mesh_1"][0].hz == pytest.approx(500.0)
    assert {line.hz for line in known["mesh_sideband"]} == {475.0, 525.0}
    assert known["belt_2"][0].hz == pytest.approx(25.0)
    assert "bpfo_1" not in known
    assert "line_1" not in known


def test_strongest_of_several_bearings_counts() -> None:
    other = Bearing("6306", balls=8, ball_diameter_mm=12.3, pitch_diameter_mm=51.0)
    card = AssetCard(nominal_speed_rpm=1800.0, bearings=(other, m.SKF_6205))

    built = m.features(m.sound(m.impacts(5, 107.5)), Context(card=card))

    assert built.arrays["audio_orders"][:, ORDERS.index("bpfo_1")].min() > 2


def test_envelope_of_pure_noise_stands_out_nowhere() -> None:
    noise = m.noise(1.024)[None, :16_384].astype(np.float32)
    envelope = envelope_spectrum(spectra_of(noise), m.RECIPE)

    assert np.median(envelope) == pytest.approx(1.0, abs=0.15)
    assert envelope[:, 3:].max() < 6
