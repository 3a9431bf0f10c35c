"""The recipe: every number that turns a window into arrays, saved in each bundle.

Training and serving read the same recipe, so a bundle can never be fed arrays of another make.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from mmindustry.errors import BundleError

MODALITIES = ("image", "audio", "text")
"""The order of modalities everywhere: in `present`, `quality`, patterns and terms."""

BASELINE = "image_baseline"
"""Name of the grey baseline frame (frame_size, frame_size) in a profile's arrays; a profile with
several cameras names each `image_baseline/<source>`."""

MEL_BASIS = "mel_basis"
"""Name of the mel matrix (mels, n_fft // 2 + 1) in a bundle's arrays."""

VOCABULARY = "vocabulary"
"""Name of the WordPiece vocabulary, UTF-8 and one piece a line, in a bundle's arrays."""

PRODUCT = "product"
"""Name of the region where the product lies."""

ORDERS = (
    *(f"{name}_{h}" for name in ("bpfo", "bpfi", "bsf", "ftf") for h in (1, 2, 3)),
    *("shaft_0.5", "shaft_1", "shaft_1.5", "shaft_2", "shaft_3"),
    *("shaft_envelope_0.5", "shaft_envelope_1", "shaft_envelope_2"),
    *("blade_1", "blade_2", "blade_envelope"),
    *("mesh_1", "mesh_2", "mesh_sideband"),
    *("belt_1", "belt_2", "belt_3"),
    *("line_1", "line_2", "line_sideband"),
)
"""What each column of `audio_orders` stands for (learning.md 4.2 calls them order energies)."""

CARD_WIDTH = 16
OPERATING_WIDTH = 6
LEVEL_WIDTH = 6
TEXT_META_WIDTH = 4

Shapes = dict[str, tuple[tuple[int, ...], str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a window becomes arrays. All sizes of the network come from here.

    Image frames are RGB 0..1 of `frame_size` pixels square; sound is mono at `rate_hz`, cut in
    segments; text is hashed to ids below `vocabulary` (0 = padding).
    """

    version: int = 1
    """Of the recipe's meaning; a bundle of another version is refused."""
    window_lengths: tuple[float, ...] = (4.0, 10.0)
    """Window lengths in seconds the network was trained for."""

    rate_hz: int = 16_000
    """Sample rate all sound is brought to."""
    segments: int = 5
    """Sound segments a window (A)."""
    segment_samples: int = 16_384
    """Samples a segment: 1.024 s at 16 kHz."""
    n_fft: int = 512
    """FFT length of the log-mel."""
    win: int = 400
    """Hann window length of the log-mel in samples."""
    hop: int = 256
    """Hop of the log-mel in samples."""
    mels: int = 64
    """Mel bands (Slaney's scale and norm, as librosa makes them)."""
    mel_floor: float = 1e-10
    """Mel power below this counts as this before the logarithm."""
    mel_mean: float = -3.0
    """Subtracted from log10 mel power."""
    mel_scale: float = 2.0
    """Divides log10 mel power after `mel_mean` is taken off."""
    mfcc: int = 0
    """Cepstral coefficients a frame in `audio_mfcc`; 0 = no such array."""
    envelope_bands: int = 96
    """Bands of the envelope spectrum."""
    envelope_high_hz: float = 400.0
    """Upper end of the envelope spectrum."""
    carrier_low_hz: float = 1_500.0
    """Lower end of the band whose envelope is taken (bearing resonances lie above)."""
    carrier_high_hz: float = 7_500.0
    """Upper end of that band; below half the sample rate."""
    order_tolerance: float = 0.025
    """Half width of the search around a fault order, as a share of its frequency."""
    speeds: int = 0
    """Shaft speeds that orders are looked up at where nobody tells the speed, in `audio_speeds`,
    and places on the tachometer's dial, in `image_dial`; 0 = no such arrays."""
    speed_low_rpm: float = 420.0
    """The lowest of these speeds, above 0; the others follow in even ratios."""
    speed_high_rpm: float = 2_100.0
    """The highest of these speeds."""
    silent_dbfs: float = -80.0
    """Sound below this level, hum of the mains left out, is a silent microphone."""
    clipped_ratio: float = 0.005
    """Share of samples at full scale from which a microphone counts as clipped."""

    frames: int = 5
    """Frames a window (I)."""
    frame_size: int = 96
    """Frame width and height in pixels."""
    regions: tuple[str, ...] = ("gauge", "floor", PRODUCT)
    """Names of the card's regions that are cropped from the newest frame (R)."""
    region_size: int = 64
    """Crop width and height in pixels."""
    dial_region: str = "tacho"
    """Name of the card's region that bounds the tachometer's dial, its axis in the middle."""
    dial_rings: int = 6
    """Radii a place on the dial is looked at."""
    dial_from_degrees: float = 135.0
    """Where the dial's scale begins, clockwise from the right (135 = lower left)."""
    dial_sweep_degrees: float = 270.0
    """How far its scale reaches, clockwise."""
    dial_full_rpm: float = 2_500.0
    """What stands at the scale's end; it begins at 0."""
    black_level: float = 0.03
    """A frame whose mean is below this, with little contrast, is black (0..1)."""
    white_level: float = 0.97
    """A frame whose mean is above this, with little contrast, is white (0..1)."""
    flat_contrast: float = 0.012
    """Standard deviation of grey below which a frame shows nothing (0..1)."""

    entries: int = 20
    """Text entries a window (T)."""
    tokens: int = 96
    """Token ids an entry."""
    word_ids: int = 4_096
    """Ids below this are words (1..word_ids - 1), 0 is padding."""
    ngram_ids: int = 8_192
    """Ids for character n-grams, above the words."""
    words: int = 0
    """Words in order an entry in `text_words`; 0 = no such array."""
    word_rows: int = 16_384
    """Ids of the words in order: hashed to 1..word_rows - 1, 0 is padding."""
    pieces: int = 0
    """WordPiece ids an entry in `text_pieces`, start and end among them; 0 = no such array."""

    def __post_init__(self) -> None:
        """Refuse a recipe that can't be followed."""
        counts = ("rate_hz", "segments", "segment_samples", "n_fft", "hop", "mels", "frames")
        for name in (*counts, "frame_size", "region_size", "entries", "tokens", "ngram_ids"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if not 0 < self.win <= self.n_fft:
            raise ValueError(f"win is {self.win}; it must lie in 1..n_fft ({self.n_fft})")
        if self.speeds < 0 or not 0 < self.speed_low_rpm < self.speed_high_rpm:
            raise ValueError("speeds >= 0 and 0 < speed_low_rpm < speed_high_rpm must hold")
        if self.segment_samples % self.hop:
            raise ValueError(f"segment_samples must be a multiple of hop ({self.hop})")
        if not 0 < self.carrier_low_hz < self.carrier_high_hz < self.rate_hz / 2:
            raise ValueError("0 < carrier_low_hz < carrier_high_hz < rate_hz / 2 must hold")
        if not self.window_lengths or min(self.window_lengths) <= 0:
            raise ValueError("window_lengths needs at least one length above 0 s")
        self._check_options()

    def _check_options(self) -> None:
        if min(self.mfcc, self.words, self.pieces) < 0 or self.word_rows < 2:  # noqa: PLR2004
            raise ValueError("mfcc, words and pieces must be at least 0, word_rows at least 2")
        if self.pieces in (1, 2):
            raise ValueError("pieces must be 0 or at least 3: start, a piece, end")

    @property
    def segment_seconds(self) -> float:
        """Length of a sound segment in seconds."""
        return self.segment_samples / self.rate_hz

    @property
    def mel_frames(self) -> int:
        """Log-mel frames a segment: one a hop."""
        return self.segment_samples // self.hop

    @property
    def vocabulary(self) -> int:
        """Ids in all: padding, words, n-grams."""
        return self.word_ids + self.ngram_ids

    def shapes(self) -> Shapes:
        """Return array name -> (shape without batch axis, dtype): the truth for both sides.

        >>> Recipe().shapes()["audio_logmel"]
        ((5, 64, 64), 'float32')
        """
        return {**self._audio(), **self._image(), **self._text(), **_context()}

    def _audio(self) -> Shapes:
        a = self.segments
        shapes: Shapes = {
            "audio_logmel": ((a, self.mels, self.mel_frames), "float32"),
            "audio_orders": ((a, len(ORDERS)), "float32"),
            "audio_orders_known": ((len(ORDERS),), "float32"),
            "audio_envelope": ((a, self.envelope_bands), "float32"),
            "audio_level": ((a, LEVEL_WIDTH), "float32"),
            "audio_mask": ((a,), "float32"),
            "audio_offset": ((a,), "float32"),
        }
        if self.mfcc:
            shapes["audio_mfcc"] = ((a, self.mfcc, self.mel_frames), "float32")
        if self.speeds:
            shapes["audio_speeds"] = ((self.speeds, len(ORDERS)), "float32")
        return shapes

    def _image(self) -> Shapes:
        i, s, r = self.frames, self.frame_size, len(self.regions)
        shapes: Shapes = {
            "image_frames": ((i, 3, s, s), "float32"),
            "image_delta": ((i, 1, s, s), "float32"),
            "image_regions": ((r, 3, self.region_size, self.region_size), "float32"),
            "image_regions_mask": ((r,), "float32"),
            "image_mask": ((i,), "float32"),
            "image_offset": ((i,), "float32"),
        }
        if self.speeds:
            shapes["image_dial"] = ((self.speeds, 3 * self.dial_rings), "float32")
            shapes["image_dial_known"] = ((1,), "float32")
        return shapes

    def _text(self) -> Shapes:
        t = self.entries
        shapes: Shapes = {
            "text_ids": ((t, self.tokens), "int32"),
            "text_mask": ((t,), "float32"),
            "text_age": ((t,), "float32"),
            "text_meta": ((t, TEXT_META_WIDTH), "float32"),
        }
        if self.words:
            shapes["text_words"] = ((t, self.words), "int32")
        if self.pieces:
            shapes["text_pieces"] = ((t, self.pieces), "int32")
        return shapes

    def to_json(self) -> dict[str, object]:
        """Return the recipe as plain JSON, tuples as lists."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, document: Mapping[str, object]) -> "Recipe":
        """Return the recipe that `to_json` wrote.

        Raises:
            BundleError: A key is unknown, a value can't be followed, or the version is another.
        """
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(document) - known):
            raise BundleError(f"recipe: unknown keys {unknown}; made by a newer mmindustry?")
        if document.get("version", 1) != 1:
            raise BundleError(f"recipe: version {document['version']!r}, this one reads 1")
        values = {k: tuple(v) if isinstance(v, list) else v for k, v in document.items()}
        try:
            return cls(**values)  # type: ignore[arg-type]  # checked by __post_init__
        except (TypeError, ValueError) as error:
            raise BundleError(f"recipe: {error}") from error


def _context() -> Shapes:
    return {
        "card": ((CARD_WIDTH,), "float32"),
        "operating": ((OPERATING_WIDTH,), "float32"),
        "present": ((len(MODALITIES),), "float32"),
        "quality": ((len(MODALITIES),), "float32"),
    }
