"""Live changes: told once, told again to who missed one, ended when the daemon stops."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from mmindustry.dashboard import live
from mmindustry.dashboard.live import Live
from mmindustry.dashboard.policy import DashboardPolicy
from mmindustry.errors import DependencyDown
from mmindustry.telemetry.health import Health
from mmindustry.testing.clock import HandClock
from tests.plant_record import PlantRecord
from tests.unit.dashboard.material import make_client


class Record:
    """A version that tests set, or an error to be raised."""

    def __init__(self) -> None:
        self.version = "1"
        self.down = False

    async def look(self) -> str:
        if self.down:
            raise DependencyDown("the database is away")
        return self.version


def make_live(record: Record) -> tuple[Live, Health]:
    health = Health(HandClock(), stall_seconds=30)
    return Live(record.look, health, look_seconds=0.001, limit=2), health


async def _never() -> bool:
    return False


async def _until(holds: Callable[[], bool]) -> None:
    for _ in range(100_000):
        if holds():
            return
        await asyncio.sleep(0)
    raise AssertionError("never came true")


async def _take(events: AsyncIterator[str], count: int) -> list[str]:
    return [await asyncio.wait_for(anext(events), 5) for _ in range(count)]


def test_a_change_is_told_with_its_version_as_id() -> None:
    async def play() -> list[str]:
        record = Record()
        made, _ = make_live(record)
        looking = asyncio.create_task(made.run())
        events = made.events("1", _never)
        told = await _take(events, 1)
        record.version = "2"
        told += await _take(events, 1)
        made.close()
        told += await _take(events, 1)
        await looking
        return told

    told = asyncio.run(play())

    assert told[0] == "retry: 2000\n\n"
    assert told[1] == 'id: 2\nevent: changed\ndata: {"version": "2"}\n\n'
    assert told[2].startswith("event: closing")


def test_who_comes_back_with_an_old_id_is_told_at_once() -> None:
    async def play() -> list[str]:
        made, _ = make_live(Record())
        made.version = "9"
        return await _take(made.events("7", _never), 2)

    assert "id: 9\n" in asyncio.run(play())[1]


def test_who_is_up_to_date_hears_a_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HEARTBEAT_SECONDS", 0.01)

    async def play() -> list[str]:
        made, _ = make_live(Record())
        made.version = "9"
        return await _take(made.events("9", _never), 3)

    assert asyncio.run(play())[1:] == [": still here\n\n", ": still here\n\n"]


def test_who_has_gone_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HEARTBEAT_SECONDS", 0.01)

    async def gone() -> bool:
        return True

    async def play() -> int:
        made, _ = make_live(Record())
        async for _ in made.events("", gone):
            pass
        return made.clients

    assert asyncio.run(play()) == 0


def test_a_database_that_is_away_makes_the_dashboard_unready_not_dead() -> None:
    async def play() -> tuple[bool, bool, bool, str]:
        record = Record()
        made, health = make_live(record)
        health.start()
        record.down = True
        looking = asyncio.create_task(made.run())
        await _until(lambda: not health.is_ready())
        live_then, detail = health.is_live(), str(health.checks())
        record.down = False
        await _until(health.is_ready)
        made.close()
        await looking
        return live_then, health.is_ready(), looking.done(), detail

    alive, ready, done, detail = asyncio.run(play())

    assert alive
    assert ready
    assert done
    assert "the database is away" in detail


def test_too_many_watchers_are_refused(record: PlantRecord) -> None:
    with make_client(record, DashboardPolicy(live_clients=1)) as client:
        client.app.state.live.clients = 1  # type: ignore[attr-defined]  # an ASGI app to its type
        answer = client.get("/api/v1/stream")

    assert answer.status_code == 503
    assert answer.json()["code"] == "unavailable"
