"""Settings come from many places; every mistake is told at once, with its place."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmindustry.config.interpolate import interpolate
from mmindustry.config.load import Loaded, load
from mmindustry.config.mistakes import BadConfig, Mistake
from mmindustry.config.show import origins, shown
from mmindustry.config.units import parse_duration, parse_size


def read(
    folder: Path, text: str, *, more: str = "", environment: dict[str, str] | None = None
) -> Loaded:
    file = folder / "mmindustry.yaml"
    file.write_text(text)
    if more:
        (folder / "conf.d").mkdir(exist_ok=True)
        (folder / "conf.d" / "10-more.yaml").write_text(more)
    return load(file, environment=environment or {})


def mistakes(folder: Path, text: str, environment: dict[str, str] | None = None) -> list[Mistake]:
    with pytest.raises(BadConfig) as caught:
        read(folder, text, environment=environment)
    return list(caught.value.mistakes)


def test_no_file_at_all_gives_the_defaults() -> None:
    loaded = load(None, environment={})

    assert loaded.settings.windowing.length_seconds == 10
    assert loaded.origins == {}


def test_environment_wins_over_conf_d_which_wins_over_the_file(tmp_path: Path) -> None:
    text = "windowing:\n  grace_seconds: 1\n  max_wait_seconds: 2\n  close_limit: 3\n"
    more = "windowing:\n  max_wait_seconds: 20\n  close_limit: 30\n"
    environment = {"MMINDUSTRY__WINDOWING__CLOSE_LIMIT": "200"}

    loaded = read(tmp_path, text, more=more, environment=environment)

    windowing = loaded.settings.windowing
    assert (windowing.grace_seconds, windowing.max_wait_seconds, windowing.close_limit) == (
        1,
        20,
        200,
    )
    sources = origins(loaded)
    assert sources["windowing.grace_seconds"][1].endswith("mmindustry.yaml:2:3")
    assert sources["windowing.max_wait_seconds"][1].endswith("10-more.yaml:2:3")
    assert sources["windowing.close_limit"][1] == "environment MMINDUSTRY__WINDOWING__CLOSE_LIMIT"
    assert sources["windowing.length_seconds"] == (10.0, "default")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("MMINDUSTRY_WINDOWING__CLOSE_LIMIT", "do you mean MMINDUSTRY__WINDOWING__CLOSE_LIMIT?"),
        ("MMINDUSTRY_WINDOWING_CLOSE_LIMIT", "do you mean MMINDUSTRY__WINDOWING__CLOSE_LIMIT?"),
        ("mmindustry__windowing__close_limit", "do you mean MMINDUSTRY__WINDOWING__CLOSE_LIMIT?"),
        ("MMINDUSTRY_STORE__URL_FILE", "do you mean MMINDUSTRY__STORE__URL_FILE?"),
        ("MMINDUSTRY_WINDOWING__CLOSE", "names of settings begin with MMINDUSTRY__"),
    ],
)
def test_a_variable_that_misses_the_prefix_by_a_little_is_told(name: str, told: str) -> None:
    loaded = load(None, environment={name: "7", "MMINDUSTRY__RUN__DRAIN_SECONDS": "3"})

    assert loaded.warnings == (f"environment {name} is not read: {told}",)
    assert loaded.settings.windowing.close_limit != 7


def test_variables_of_others_are_no_near_misses() -> None:
    names = ("MMINDUSTRY_CONFIG", "MMINDUSTRY_DATA", "MMINDUSTRY_DB_PASSWORD", "PATH")

    assert load(None, environment=dict.fromkeys(names, "7")).warnings == ()


def test_the_command_line_wins_over_the_environment() -> None:
    loaded = load(
        None,
        environment={"MMINDUSTRY__RUN__WORKERS": "2"},
        overrides={"run.workers": 3, "run.data_dir": None},
    )

    assert loaded.settings.run.workers == 3
    assert loaded.settings.run.data_dir == Path("data")


def test_lists_replace_and_sections_join(tmp_path: Path) -> None:
    text = "dashboard:\n  allowed_hosts: [a, b]\n  page_rows: 20\n"

    loaded = read(tmp_path, text, more="dashboard:\n  allowed_hosts: [c]\n")

    assert loaded.settings.dashboard.allowed_hosts == ("c",)
    assert loaded.settings.dashboard.page_rows == 20


def test_all_mistakes_are_told_at_once_with_line_and_column(tmp_path: Path) -> None:
    text = (
        "windowing:\n"
        "  lenght_seconds: 4\n"
        "  grace_seconds: fast\n"
        "  close_limit: [1]\n"
        "telemetry:\n"
        "  log_level: loud\n"
        "  port: 99999\n"
        "mystery: 1\n"
    )

    found = mistakes(tmp_path, text)

    places = [(m.origin.line, m.origin.column, m.key) for m in found]
    assert places == [
        (2, 3, "windowing.lenght_seconds"),
        (3, 3, "windowing.grace_seconds"),
        (4, 3, "windowing.close_limit"),
        (6, 3, "telemetry.log_level"),
        (7, 3, "telemetry.port"),
        (8, 1, "mystery"),
    ]
    assert found[0].hint == "did you mean `length_seconds`?"
    assert found[1].got == '"fast"'


def test_an_unknown_key_hides_no_broken_rule_of_its_section(tmp_path: Path) -> None:
    text = "stream:\n  reading:\n    poll_messages: -3\n    poll_byts: 5\n    poll_bytes: -1\n"

    found = mistakes(tmp_path, text)

    assert [(m.origin.line, m.key) for m in found] == [
        (3, "stream.reading.poll_messages"),
        (4, "stream.reading.poll_byts"),
        (5, "stream.reading.poll_bytes"),
    ]


def test_one_broken_rule_hides_no_other(tmp_path: Path) -> None:
    text = (
        "run: {workers: 0, drain_seconds: 90}\n"
        "fusion: {batch: 0, device: cpu, precision: half}\n"
        "codec: {frames_topic: pictures, audio_topic: sounds}\n"
    )

    found = mistakes(tmp_path, text)

    assert [m.key for m in found] == [
        "run.workers",
        "run.drain_seconds",
        "fusion.batch",
        "fusion.precision",
        "codec.frames_topic",
        "codec.audio_topic",
    ]


@pytest.mark.parametrize("length", ["length_seconds: 99999", "lenght_seconds: 600"])
def test_a_rule_is_not_held_against_the_default_of_a_mistaken_key(
    tmp_path: Path, length: str
) -> None:
    (found,) = mistakes(tmp_path, f"windowing:\n  {length}\n  hop_seconds: 500\n")

    assert found.origin.line == 2


def test_a_rule_that_a_set_value_breaks_with_a_default_is_told_at_the_set_one(
    tmp_path: Path,
) -> None:
    (found,) = mistakes(tmp_path, "windowing:\n  length_seconds: 8\n")

    assert (found.origin.line, found.key) == (2, "windowing.hop_seconds")


def test_an_unknown_section_in_a_variable_is_blamed_on_the_variable() -> None:
    environment = {"MMINDUSTRY__DASHBORD__PORT": "1", "MMINDUSTRY__DASHBORD__HOST": "::1"}

    with pytest.raises(BadConfig) as caught:
        load(None, environment=environment)

    told = [(m.origin.source, m.expected, m.hint) for m in caught.value.mistakes]
    assert told == [
        (f"environment {name}", "unknown key", "did you mean `dashboard`?")
        for name in sorted(environment)
    ]


def test_a_data_folder_takes_every_place_that_is_not_set(tmp_path: Path) -> None:
    text = "run:\n  data_dir: /srv/mm\narchive:\n  url: s3://bucket\n"

    loaded = read(tmp_path, text)

    settings = loaded.settings
    assert settings.store.url == "sqlite:////srv/mm/mmindustry.db"
    assert settings.stream.local.folder == "/srv/mm/stream"
    assert settings.gateway.spool_folder == "/srv/mm/spool"
    assert settings.archive.url == "s3://bucket"
    assert origins(loaded)["store.url"] == (settings.store.url, "run.data_dir")


def test_the_default_places_lie_in_the_default_data_folder() -> None:
    plain = load(None, environment={}).settings

    moved = load(None, environment={}, overrides={"run.data_dir": plain.run.data_dir}).settings

    assert moved == plain


def test_a_policys_own_rule_is_told_at_its_key(tmp_path: Path) -> None:
    (found,) = mistakes(tmp_path, "telemetry:\n  port: 99999\n")

    assert (found.origin.line, found.key) == (2, "telemetry.port")
    assert "-1..65535" in found.expected


def test_sections_that_contradict_each_other_are_a_mistake(tmp_path: Path) -> None:
    (found,) = mistakes(tmp_path, "\ncodec:\n  frames_topic: pictures\n")

    assert (found.origin.line, found.key) == (3, "codec.frames_topic")
    assert "stream.topics.frames" in found.expected


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("run:\n  workers: 1\n  workers: 2\n", "once"),
        ("run: [\n", "not YAML"),
        ("- a\n", "sections"),
        ("run: 5\n", "section"),
        ("config_version: 7\n", "expected 1"),
        ("windowing:\n  grace_seconds: .nan\n", "finite"),
        ("run:\n  data_dir: ${NOWHERE}\n", "NOWHERE is not set"),
        ("run:\n  data_dir: ${NOWHERE:?give a folder}\n", "give a folder"),
        ("run:\n  data_dir: ${BAD\n", "$$"),
        ("run:\n  data_dir: ${BREAK}\n", "line break"),
        ("x: " + "[" * 2000 + "]" * 2000 + "\n", "levels"),
        ("a: &a [1]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\n", "unknown key"),
        ("#" * (1 << 20) + "\n\n", "bytes"),
    ],
    ids=lambda value: value[:24].replace("\n", " ") if isinstance(value, str) else None,
)
def test_a_text_that_is_no_configuration_says_why(tmp_path: Path, text: str, word: str) -> None:
    found = mistakes(tmp_path, text, {"BREAK": "a\nb"})

    assert any(word in str(mistake) for mistake in found)


def test_aliases_that_blow_up_are_stopped(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]

    found = mistakes(tmp_path, "\n".join(lines))

    assert any("aliases expanded" in mistake.expected for mistake in found)


def test_yaml_1_2_has_no_norway_problem(tmp_path: Path) -> None:
    loaded = read(tmp_path, "dashboard:\n  title: no\nwindowing:\n  close_limit: 010\n")

    assert loaded.settings.dashboard.title == "no"
    assert loaded.settings.windowing.close_limit == 10


def test_variables_fill_in_before_types_are_judged(tmp_path: Path) -> None:
    text = "run:\n  workers: ${N}\n  data_dir: '${N}'\n"

    loaded = read(tmp_path, text, environment={"N": "4"})

    assert loaded.settings.run.workers == 4
    assert loaded.settings.run.data_dir == Path("4")


def test_a_missing_file_is_a_mistake_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"nowhere\.yaml: can't be read: No such file"):
        load(tmp_path / "nowhere.yaml", environment={})


def test_a_secret_comes_from_a_file_and_is_never_shown(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("hunter2-hunter2-hunter2\n")

    loaded = load(None, environment={"MMINDUSTRY__DASHBOARD__FORM_SECRET_FILE": str(secret)})

    assert loaded.settings.dashboard.form_secret == secret.read_text().strip()
    assert "hunter2" not in str(shown(loaded))
    assert "hunter2" not in str(origins(loaded))
    assert loaded.secrets == ("hunter2-hunter2-hunter2",)


def test_a_secret_comes_from_a_folder_of_credentials(tmp_path: Path) -> None:
    text = "a-long-text"
    (tmp_path / "mmindustry__dashboard__form_secret").write_text(text)

    loaded = load(None, environment={}, credentials=[tmp_path])

    assert loaded.settings.dashboard.form_secret == text


def test_a_bad_secret_is_masked_in_the_mistake(tmp_path: Path) -> None:
    (found,) = mistakes(tmp_path, "dashboard:\n  form_secret: [hunter2]\n")

    assert found.got == "****"
    assert "hunter2" not in str(found)


def test_a_secret_file_that_is_not_there_is_a_mistake() -> None:
    environment = {"MMINDUSTRY__DASHBOARD__FORM_SECRET_FILE": "/nowhere/at/all"}

    with pytest.raises(BadConfig, match="/nowhere/at/all"):
        load(None, environment=environment)


def test_an_unknown_variable_of_ours_is_a_mistake() -> None:
    with pytest.raises(BadConfig, match="did you mean `workers`"):
        load(None, environment={"MMINDUSTRY__RUN__WORKRS": "1"})


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("5m", 300), ("2h", 7200), ("1d", 86400), ("1h30m", 5400)]
)
def test_a_duration_reads_as_people_write_it(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "m", "5x", "5m ago", "-5s", "5 m"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no duration"):
        parse_duration(text)


@given(st.integers(0, 10**6), st.sampled_from(["B", "KiB", "MiB", "GiB", "kB", "MB", "GB"]))
def test_a_size_is_its_number_times_its_unit(number: int, unit: str) -> None:
    base = 1024 if "i" in unit else 1000
    power = {"B": 0, "K": 1, "k": 1, "M": 2, "G": 3}[unit[0]]

    assert parse_size(f"{number}{unit}") == number * base**power


@given(st.text(st.characters(exclude_characters="$"), max_size=40))
def test_text_without_a_dollar_stays_as_it_is(text: str) -> None:
    assert interpolate(text, {}) == text


@given(st.text(max_size=40))
def test_doubling_every_dollar_escapes_any_text(text: str) -> None:
    assert interpolate(text.replace("$", "$$"), {}) == text
