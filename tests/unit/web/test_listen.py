"""A port that another holds is named, with the setting that moves ours."""

import socket
from collections.abc import Iterator

import pytest

from mmindustry.errors import Busy
from mmindustry.web.listen import listen, require_free


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        yield held.getsockname()[1]


def test_a_taken_port_is_refused_with_the_setting_to_change(taken: int) -> None:
    with pytest.raises(Busy, match=rf"127\.0\.0\.1:{taken} .* give dashboard\.port another"):
        require_free("127.0.0.1", taken, "dashboard.port")


@pytest.mark.parametrize("port", [0, -1])
def test_a_port_that_is_not_asked_for_is_free(port: int) -> None:
    require_free("127.0.0.1", port, "telemetry.port")


def test_a_port_that_was_asked_about_is_free_again() -> None:
    with listen("127.0.0.1", 0) as other:
        port = other.getsockname()[1]

    require_free("127.0.0.1", port, "telemetry.port")
    listen("127.0.0.1", port).close()


def test_a_host_that_is_nowhere_here_is_told() -> None:
    with pytest.raises(Busy, match="no address here"):
        listen("nowhere.invalid", 0)
