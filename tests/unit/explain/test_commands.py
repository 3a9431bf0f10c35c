"""`explain`, `find` and `logbook` over a record and its archive, as a shell sees them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mmindustry.cli.exits import exit_of
from mmindustry.cli.main import new_app
from mmindustry.domain import (
    Event,
    Features,
    Label,
    Modality,
    Position,
    Prediction,
    Untaken,
    Window,
)
from mmindustry.fusion.bundle import builtin_bundle, read_manifest
from mmindustry.simulate.windows import labelled_windows
from mmindustry.store.archive import ShardArchive
from mmindustry.store.database import Database, open_database
from mmindustry.store.plant import register_assets
from mmindustry.store.policy import ArchivePolicy, RecordPolicy, StorePolicy
from mmindustry.store.registry import add_label
from mmindustry.store.schema import require_current
from mmindustry.store.storage import LocalStorage
from mmindustry.store.tables import labels
from mmindustry.testing import BEGINNING, HandClock
from tests.contracts.record_world import make_step, sql_recorder
from tests.unit.explain.material import Case, faulty

TOPICS = {
    Modality.IMAGE: "mm.frames",
    Modality.AUDIO: "mm.audio",
    Modality.TEXT: "mm.logs",
    Modality.STATE: "mm.states",
}


@dataclass(frozen=True)
class Plant:
    """A record with faulty windows, their evidence archived, their log written."""

    folder: Path
    cases: tuple[Case, ...]

    @property
    def asset(self) -> str:
        return self.cases[0].item.window.asset

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(new_app(), [*words, "-c", str(self.folder / "m.yaml")])

    def database(self) -> Database:
        return open_database(StorePolicy(url=f"sqlite:///{self.folder}/m.db"))


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Plant:
    made = _plant(tmp_path_factory.mktemp("plant"), faulty()[:4])
    database = made.database()
    _fill(database, made)
    database.close()
    return made


def _plant(folder: Path, cases: tuple[Case, ...]) -> Plant:
    """Return a plant with an empty record."""
    document = {
        "store": {"url": f"sqlite:///{folder}/m.db"},
        "archive": {"url": str(folder / "archive")},
        "windowing": {"length_seconds": 4, "hop_seconds": 4, "name": "simulated-4s"},
    }
    (folder / "m.yaml").write_text(json.dumps(document))
    made = Plant(folder, cases)
    database = made.database()
    require_current(database)
    database.close()
    return made


def _archive(folder: Path) -> ShardArchive:
    storage, policy = LocalStorage(folder / "archive"), ArchivePolicy(shard_seconds=0)
    return ShardArchive(storage, policy, clock=HandClock(), named=lambda _: ())


def _fill(database: Database, plant: Plant) -> None:
    """Save each case's window with its evidence in a shard and its entries before it."""
    recorder = sql_recorder(database, RecordPolicy())
    (claim,) = recorder.claim([0])
    archive = _archive(plant.folder)
    archive.restore(claim)
    card = plant.cases[0].item.context
    assert card is not None
    assert card.card is not None
    register_assets(database, {plant.asset: card.card}, now=BEGINNING)
    wanted = {case.item.window: case for case in plant.cases}
    offset = count()
    for one in labelled_windows(12, 5, length_seconds=4.0, assets=1):
        case = wanted.get(one.window.key)
        if case is None:
            continue
        items = tuple(
            replace(item, position=Position(TOPICS[item.modality], 0, next(offset)))
            for item in one.window.items
        )
        entries = tuple(
            replace(entry, position=Position("mm.logs", 0, next(offset)))
            for entry in one.context.entries
        )
        states = tuple(
            replace(state, position=Position("mm.states", 0, next(offset)))
            for state in one.context.states
        )
        window = replace(one.window, items=items, cut=dict.fromkeys(TOPICS.values(), 10**6))
        shards = tuple(archive.put([window], (), [0]))
        said = {"entries": entries, "states": states, "predictions": (case.prediction,)}
        recorder.save(make_step(window, shards=shards, fields=said))


def test_explain_tells_why_from_the_archive_alone(plant: Plant, tmp_path: Path) -> None:
    case = plant.cases[0]  # the later ones have the log of those before them in the record

    done = plant.run("explain", case.item.window.id, "--json", "--out", str(tmp_path / "why"))

    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert case.target is not None
    assert told["target"] == {"kind": "fault", "name": case.target.name}
    assert told["probability"] > 0.5
    assert sum(told["why"]["shapley"].values()) == pytest.approx(told["why"]["log_odds"], abs=0.01)
    assert told["integrated_gradients"]["gap"] < 0.2
    assert told["why"]["orders"]
    assert told["nearest_confirmed"] == []
    drawn = {path.name for path in (tmp_path / "why").iterdir()}
    assert {"explanation.json", "gradcam.png", "integrated-gradients.png"} <= drawn


def _window(plant: Plant) -> Window:
    every = labelled_windows(12, 5, length_seconds=4.0, assets=1)
    return next(one.window for one in every if one.window.key == plant.cases[0].item.window)


def _items(plant: Plant) -> tuple[Event, ...]:
    return tuple(
        replace(item, position=Position(TOPICS[item.modality], 0, number))
        for number, item in enumerate(_window(plant).items)
    )


def _revise(plant: Plant, findings: tuple[tuple[str, str], ...] = ()) -> Prediction:
    """Save its window's frames in time and its sound late; return what the revision said."""
    window, items = _window(plant), _items(plant)
    frames = tuple(item for item in items if item.modality is Modality.IMAGE)
    late = tuple(
        Untaken(item, window.key.policy, (window.key.start,))
        for item in items
        if item.modality is Modality.AUDIO
    )
    database = plant.database()
    recorder, archive = sql_recorder(database, RecordPolicy()), _archive(plant.folder)
    (claim,) = recorder.claim([0])
    archive.restore(claim)
    first = replace(window, items=frames, cut=dict.fromkeys(TOPICS.values(), 10**6))
    recorder.save(make_step(first, shards=tuple(archive.put([first], (), [0]))))
    recorder.save(make_step(late=late, shards=tuple(archive.put([], late, [0]))))
    second = replace(first, key=window.key._replace(revision=1), items=items)
    said = replace(plant.cases[0].prediction, window=second.key, findings=findings)
    recorder.save_revision(make_step(second, fields={"predictions": (said,)}))
    database.close()
    return said


def test_a_revision_is_explained_from_the_shards_of_its_parts(tmp_path: Path) -> None:
    own = _plant(tmp_path, faulty()[:1])
    said = _revise(own)

    done = own.run("explain", said.window.id, "--method", "shapley", "--json")

    assert done.exit_code == 0, done.output
    shares = json.loads(done.stdout)["why"]["shapley"]
    assert shares["image"] != 0.0
    assert shares["audio"] != 0.0


def test_what_a_frozen_camera_showed_explains_nothing(tmp_path: Path) -> None:
    own = _plant(tmp_path, faulty()[:1])
    cameras = {item.source for item in _items(own) if item.modality is Modality.IMAGE}
    said = _revise(own, tuple(("camera_frozen", source) for source in sorted(cameras)))

    done = own.run("explain", said.window.id, "--method", "shapley", "--json")

    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["why"]["shapley"].get("image", 0.0) == 0.0


@pytest.fixture
def confirmed(plant: Plant) -> Iterator[Features]:
    """The earliest window, of which somebody says what it was; unsaid again afterwards, since the
    plant is all tests'."""
    first = plant.cases[0].item
    database = plant.database()
    label = Label(
        asset=plant.asset,
        start=first.window.start,
        end=first.end,
        fault="belt_slip",
        verdict="corrected",
        author="anna",
        written_at=BEGINNING + timedelta(days=1),
    )
    add_label(database, label)
    yield first
    with database.write() as connection:
        connection.execute(labels.delete())
    database.close()


def test_where_nobody_confirmed_anything_it_says_so(plant: Plant) -> None:
    plain = plant.run("explain", plant.cases[-1].item.window.id, "--method", "shapley")

    assert "none confirmed yet" in plain.stdout


def test_nearest_confirmed_windows_are_earlier_ones_that_people_named(
    plant: Plant, confirmed: Features
) -> None:
    first, last = confirmed, plant.cases[-1].item

    done = plant.run("explain", last.window.id, "--method", "shapley", "--json")
    earliest = plant.run("explain", first.window.id, "--method", "shapley", "--json")

    (nearest,) = json.loads(done.stdout)["nearest_confirmed"]
    assert (nearest["window"], nearest["named"]) == (first.window.id, "belt_slip")
    assert json.loads(earliest.stdout)["nearest_confirmed"] == []
    assert "belt_slip" in plant.run("explain", last.window.id, "--method", "shapley").stdout


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("explain", "f" * 32), 65, "no window or alarm"),
        (("explain", "f" * 32, "--method", "crystal-ball"), 65, "crystal-ball"),
        (("find", "--window", "f" * 32), 65, "there is none with embeddings"),
        (("find", "smoke", "--modality", "image"), 65, "--fusion alignment"),
        (("find", "smoke", "--modality", "smell"), 65, "smell"),
        (("find", "...", "--modality", "text"), 65, "no word"),
        (("logbook", "summary", "no/such/asset/here"), 65, "no such asset"),
        (("logbook", "clusters", "no/such/asset/here"), 65, "no such asset"),
    ],
    ids=["window", "method", "like", "across", "modality", "words", "summary", "clusters"],
)
def test_what_can_not_be_done_is_said(
    plant: Plant, words: tuple[str, ...], code: int, told: str
) -> None:
    done = plant.run(*words)

    assert done.exception is not None
    assert exit_of(done.exception) == code
    assert told in str(done.exception)


def test_find_finds_windows_by_text_and_like_a_window(plant: Plant) -> None:
    own = plant.cases[0].item.window.id

    by_text = plant.run("find", "bearing noisy", "--json", "-k", "2")
    alike = plant.run("find", "--window", own, "--json")
    elsewhere = plant.run("find", "bearing noisy", "--asset", "no/such/place/here")

    ids = {case.item.window.id for case in plant.cases}
    rows = [json.loads(line) for line in by_text.stdout.splitlines()]
    assert 1 <= len(rows) <= 2
    assert {row["window"] for row in rows} <= ids
    found = [json.loads(line) for line in alike.stdout.splitlines()]
    assert {row["window"] for row in found} == ids - {own}
    scores = [row["likeness"] for row in found]
    assert scores == sorted(scores, reverse=True)
    assert elsewhere.stdout == ""


def test_a_logbook_is_quoted_in_order_and_grouped_whole(plant: Plant) -> None:
    written = {
        entry.id: entry.content.text  # type: ignore[union-attr]
        for case in plant.cases
        for entry in (case.item.context.entries if case.item.context else ())
    }

    short = plant.run("logbook", "summary", plant.asset, "--days", "30", "--lines", "3", "--json")
    groups = plant.run("logbook", "clusters", plant.asset, "--days", "30", "--json")
    plain = plant.run("logbook", "summary", plant.asset, "--days", "30", "--lines", "3")

    rows = [json.loads(line) for line in short.stdout.splitlines()]
    assert len(rows) == 3
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    assert all(row["text"] == written[row["id"]] for row in rows)
    assert all(row["text"] in plain.stdout for row in rows)
    grouped = [json.loads(line) for line in groups.stdout.splitlines()]
    sizes = [len(group["entries"]) for group in grouped]
    assert sizes == sorted(sizes, reverse=True)
    assert all(group["terms"] for group in grouped)


def test_the_built_in_bundle_needs_no_torch_but_for_gradients(plant: Plant) -> None:
    assert read_manifest(builtin_bundle()).spec.fusion == "late"
    assert find_spec("torch") is not None
    done = plant.run("explain", plant.cases[0].item.window.id, "--method", "occlusion", "--json")
    told = json.loads(done.stdout)
    assert "gradcam" not in told
    assert "integrated_gradients" not in told
