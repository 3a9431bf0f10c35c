import ipaddress
import time

import pytest

from mmindustry.errors import DeliveryFailed, DeliveryRefused
from mmindustry.notify.policy import NotifyPolicy, WebhookTarget
from mmindustry.notify.transport import Reach
from tests.unit.notify import material as m

CLOSED = [
    "127.0.0.1",
    "127.8.9.1",
    "0.0.0.0",  # noqa: S104 - an address to refuse
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "224.0.0.1",
    "239.1.1.1",
    "255.255.255.255",
    "240.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "::1",
    "::",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "2002:7f00:1::",
    "2002:c0a8:101::1",
    "2001:0:4136:e378:8000:63bf:f5ff:fffe",
    "fe80::1",
    "fec0::1",
    "fc00::1",
    "fd12:3456::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", CLOSED)
def test_no_address_inside_is_reached_unless_it_is_allowed(address: str) -> None:
    assert not Reach().allows(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822"])
def test_public_address_is_reached(address: str) -> None:
    assert Reach().allows(ipaddress.ip_address(address))


def test_allow_list_opens_its_networks_and_no_other() -> None:
    reach = Reach(allow_cidrs=("10.20.0.0/16", "fd00::/8"))

    allowed = {a for a in [*CLOSED, "10.20.3.4", "::ffff:10.20.3.4"] if _open(reach, a)}

    assert allowed == {"10.20.3.4", "::ffff:10.20.3.4", "fd12:3456::1"}


def _open(reach: Reach, address: str) -> bool:
    return reach.allows(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
    ],
)
def test_every_spelling_of_this_host_is_refused_before_a_connection(host: str) -> None:
    with m.receiving() as receiver:
        url = f"http://{host}:{receiver.port}/hook"

        with pytest.raises(DeliveryRefused, match="allow_cidrs"):
            m.transport(reach=Reach()).post(url, {})

        assert receiver.bodies == []


def test_name_with_one_address_inside_is_refused_whole() -> None:
    sly = m.transport(reach=Reach(), resolve=lambda *_: ["93.184.216.34", "127.0.0.1"])

    with pytest.raises(DeliveryRefused, match=r"127\.0\.0\.1"):
        sly.post("http://sly.example/", {})


def test_name_that_changes_after_the_check_gains_nothing() -> None:
    """The stub resolver says public first and this host at every later look-up (rebinding)."""
    asked: list[str] = []

    def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["192.0.2.1"] if len(asked) == 1 else ["127.0.0.1"]

    with m.receiving() as receiver:
        turning = m.transport(
            reach=Reach(allow_cidrs=("192.0.2.0/24",)), resolve=resolve, timeout=0.5
        )
        url = f"http://turning.example:{receiver.port}/"

        with pytest.raises(DeliveryFailed):
            turning.post(url, {})
        with pytest.raises(DeliveryRefused):
            turning.post(url, {})

        assert len(asked) == 2  # once a request: what was checked is what was connected to
        assert receiver.bodies == []


def test_posts_json_to_the_pinned_address_under_the_name() -> None:
    with m.receiving() as receiver:
        named = m.transport(resolve=lambda *_: ["127.0.0.1"])

        reply = named.post(f"http://hooks.plant:{receiver.port}/a/b?c=d", {"text": "轴承"})

        assert (reply.status, reply.body) == (200, b"ok")
        assert receiver.documents == [{"text": "轴承"}]
        assert receiver.heads[0].startswith("POST /a/b?c=d HTTP/1.1\r\n")
        assert f"Host: hooks.plant:{receiver.port}" in receiver.heads[0]


def test_redirect_is_not_followed() -> None:
    with m.receiving() as inner:
        moved = m.answer(302, "", f"Location: {inner.url}/")
        with m.receiving(moved) as outer:
            assert m.transport().post(outer.url, {}).status == 302
        assert inner.bodies == []


def test_slow_receiver_meets_one_deadline_over_the_whole_exchange() -> None:
    begun = time.monotonic()

    with (
        m.dripping(lambda _: [b"H"] * 1000) as receiver,
        pytest.raises(DeliveryFailed, match=r"no answer within|timed out"),
    ):
        m.transport(timeout=0.5).post(receiver.url, {})

    assert time.monotonic() - begun < 2.0


def test_receiver_that_drips_its_body_has_answered_already() -> None:
    with m.dripping(lambda _: [b"HTTP/1.1 200 OK\r\n\r\n", *[b"x"] * 1000]) as receiver:
        assert m.transport(timeout=0.5).post(receiver.url, {}).status == 200


def test_huge_answer_is_read_to_the_limit_only() -> None:
    block = b"x" * 1_000_000
    with m.dripping(lambda _: [b"HTTP/1.1 200 OK\r\n\r\n", *[block] * 1000]) as receiver:
        reply = m.transport().post(receiver.url, {})

        assert reply.status == 200
        assert len(reply.body) <= 65_536 + 8_192


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\r\n\r\n",
        b"SSH-2.0\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"\x00" * 200_000,
    ],
    ids=["empty", "blank", "ssh", "no-status", "words", "endless"],
)
def test_answer_that_is_not_http_is_a_failure_to_be_tried_again(garbage: bytes) -> None:
    with m.receiving(garbage) as receiver, pytest.raises(DeliveryFailed):
        m.transport().post(receiver.url, {})


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ],
    ids=["continue", "chunked"],
)
def test_answer_in_other_forms_is_read(reply: bytes) -> None:
    with m.receiving(reply) as receiver:
        assert m.transport().post(receiver.url, {}).status == 204


def test_unreachable_receiver_is_a_failure_naming_it() -> None:
    with m.receiving() as receiver:
        url = receiver.url
    with pytest.raises(DeliveryFailed, match=r"127\.0\.0\.1"):
        m.transport().post(url, {})


def test_unknown_name_is_a_failure_to_be_tried_again() -> None:
    def nowhere(host: str, _port: int) -> list[str]:
        raise OSError(f"no {host}")

    with pytest.raises(DeliveryFailed, match="resolved"):
        m.transport(resolve=nowhere).post("http://nowhere.example/", {})


def test_plain_answer_to_tls_is_a_failure() -> None:
    with m.receiving() as receiver, pytest.raises(DeliveryFailed):
        m.transport(timeout=1.0).post(f"https://127.0.0.1:{receiver.port}/", {})


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://hooks.example/", "https"),
        ("ftp://hooks.example/", "https"),
        ("https:///path", "host"),
        ("https://user:pw@hooks.example/", "user name"),
        ("https://hooks.example/a b", "blank"),
        ("https://hooks.example/\r\nX: y", "blank"),
        ("https://hooks.example:99999/", "range"),
        ("https://hooks.éxample/", "ASCII"),
        ("hooks.example", "https"),
    ],
)
def test_webhook_url_that_cannot_be_used_is_refused_in_the_configuration(
    url: str, why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        WebhookTarget(name="x", url=url)


def test_clear_text_webhook_must_be_asked_for() -> None:
    assert WebhookTarget(name="x", url="http://10.0.0.1/", allow_http=True).url


@pytest.mark.parametrize(
    "change",
    [
        {"external_url": "/relative"},
        {"alertmanagers": ("ftp://x",)},
        {"allow_cidrs": ("10.0.0.0/99",)},
        {"resend_seconds": 1.0},
        {"timeout_seconds": 0.0},
        {"runbook_url": "nowhere"},
        {"webhooks": (WebhookTarget(name="a", url="https://x.io/"),) * 2},
    ],
    ids=lambda change: next(iter(change)),
)
def test_policy_that_cannot_work_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        NotifyPolicy(**change)  # type: ignore[arg-type]  # the point of the test


def test_secret_is_not_shown() -> None:
    target = WebhookTarget(name="x", url="https://x.io/", secret="canary-4711")  # noqa: S106

    assert "canary-4711" not in repr(NotifyPolicy(webhooks=(target,)))
