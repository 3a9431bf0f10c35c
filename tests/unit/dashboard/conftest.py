"""One filled record a test file; a test that writes takes one of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.plant_record import PlantRecord, make_record
from tests.unit.dashboard.material import make_client


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlantRecord]:
    """A filled record that nobody writes to."""
    made = make_record(tmp_path_factory.mktemp("record"))
    yield made
    made.database.close()


@pytest.fixture
def own_record(tmp_path: Path) -> Iterator[PlantRecord]:
    """A filled record for a test that writes."""
    made = make_record(tmp_path, windows_each=3)
    yield made
    made.database.close()


@pytest.fixture(scope="module")
def client(record: PlantRecord) -> Iterator[TestClient]:
    """A browser of somebody local, without access control."""
    with make_client(record) as made:
        yield made
