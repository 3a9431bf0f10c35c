"""Equipment files: what they say, and what is said of their mistakes."""

from datetime import timedelta
from pathlib import Path

import pytest

from mmindustry.domain import AssetCard, Bearing, Modality
from mmindustry.errors import InputError
from mmindustry.simulate.papers import equipment_of_fleet
from mmindustry.simulate.policy import SimulatePolicy
from mmindustry.store.equipment import card_of_entry, equipment_of, sensors_of_entry
from mmindustry.store.equipment_files import read_equipment

YAML = """\
sites:
  - key: north
    name: Works North
    zone: Europe/Berlin
    areas:
      - key: hall-1
        lines:
          - key: line-1
            assets:
              - key: pump-1
                name: Feed pump
                card:
                  kind: pump
                  nominal_speed_rpm: 1480
                  blades: 6
                  bearings:
                    - {name: drive end, balls: 9, ball_diameter_mm: 7.94, pitch_diameter_mm: 39.04}
                  regions: {gauge: [0.1, 0.2, 0.3, 0.4]}
                sensors:
                  - {source: cam-1, modality: image, every_seconds: 2}
                  - source: mic-1
                    modality: audio
                    rate_hz: 16000
                    valid_from: 2026-01-05T06:00:00+01:00
"""

CSV = """\
asset,zone,name,kind,nominal_speed_rpm,source,modality,every_seconds,rate_hz
north/hall-1/line-1/pump-1,Europe/Berlin,Feed pump,pump,1480,cam-1,image,2,
north/hall-1/line-1/pump-1,Europe/Berlin,Feed pump,,,mic-1,audio,,16000
north/hall-1/line-2/fan-1,Europe/Berlin,Fan,fan,,,,,
"""


def write(folder: Path, text: str, name: str = "equipment.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_yaml_file_is_read_whole(tmp_path: Path) -> None:
    equipment = read_equipment(write(tmp_path, YAML))

    ((path, asset),) = equipment.assets()
    cam, mic = sensors_of_entry(path, asset)
    assert path == "north/hall-1/line-1/pump-1"
    assert equipment.sites[0].zone == "Europe/Berlin"
    assert card_of_entry(asset.card) == AssetCard(
        kind="pump",
        nominal_speed_rpm=1480.0,
        blades=6,
        bearings=(Bearing("drive end", 9, 7.94, 39.04),),
        regions={"gauge": (0.1, 0.2, 0.3, 0.4)},
    )
    assert (cam.modality, cam.every, cam.asset) == (Modality.IMAGE, timedelta(seconds=2), path)
    assert mic.rate_hz == 16_000
    assert mic.valid_from is not None
    assert mic.valid_from.utcoffset() == timedelta(hours=1)


def test_a_csv_file_holds_a_sensor_or_an_asset_a_row(tmp_path: Path) -> None:
    equipment = read_equipment(write(tmp_path, CSV, "equipment.csv"))

    found = {path: [s.source for s in asset.sensors] for path, asset in equipment.assets()}
    assert found == {
        "north/hall-1/line-1/pump-1": ["cam-1", "mic-1"],
        "north/hall-1/line-2/fan-1": [],
    }
    assert dict(equipment.assets())["north/hall-1/line-1/pump-1"].card.nominal_speed_rpm == 1480


def test_all_mistakes_of_a_yaml_file_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    broken = (
        YAML.replace("zone: Europe/Berlin", "zone: Berlin")
        .replace("blades: 6", "blade: 6")
        .replace("balls: 9", "balls: 2")
        .replace("modality: audio", "modality: smell")
        .replace("key: pump-1", "key: Pump 1")
    )
    path = write(tmp_path, broken)

    with pytest.raises(InputError) as told:
        read_equipment(path)

    lines = str(told.value).splitlines()
    assert [line.split(":")[1] for line in lines] == ["4", "10", "17", "15", "22"]
    assert lines[0].startswith(f"{path}:4: sites.0.zone: 'Berlin' is no IANA time zone")
    assert any("did you mean `blades`?" in line for line in lines)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [", ":1: "),
        ("- x", ":1: expected a mapping with the key `sites`"),
        ("sites: []\nsites: []\n", ":2: "),
        ("other: 1", "unknown key"),
    ],
)
def test_a_file_that_is_no_equipment_is_refused_with_its_line(
    tmp_path: Path, text: str, told: str
) -> None:
    with pytest.raises(InputError, match=told):
        read_equipment(write(tmp_path, text))


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("north/hall-1/pump-1,,,,,,,,", "2: asset: expected site/area/line/asset"),
        ("n/h/l/p,,,,fast,,,,", "2: nominal_speed_rpm: "),
        ("n/h/l/p,,,,,cam,smell,,", "2: sensors.0.modality: "),
        ("n/h/l/p,Nowhere,,,,,,,", "no IANA time zone"),
    ],
)
def test_a_mistake_in_a_csv_file_is_told_with_its_line(tmp_path: Path, row: str, told: str) -> None:
    header = CSV.splitlines()[0]

    with pytest.raises(InputError, match=told):
        read_equipment(write(tmp_path, f"{header}\n{row}\n", "equipment.csv"))


def test_unknown_columns_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown: colour"):
        read_equipment(write(tmp_path, "asset,colour\n", "equipment.csv"))


def test_a_missing_file_and_a_file_that_is_not_utf8_are_named(tmp_path: Path) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("name: Bühne".encode("latin-1"))

    with pytest.raises(InputError, match="No such file"):
        read_equipment(tmp_path / "gone.yaml")
    with pytest.raises(InputError, match="not UTF-8 at byte 7"):
        read_equipment(latin)


def test_the_simulators_papers_are_equipment() -> None:
    assert list(equipment_of(equipment_of_fleet([], SimulatePolicy())).assets()) == []
