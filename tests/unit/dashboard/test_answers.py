"""What operators answer: written once, refused where another was faster, never by a stranger."""

import re
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from mmindustry.dashboard.forms import FormTokens
from mmindustry.dashboard.policy import DashboardPolicy
from mmindustry.dashboard.repeats import Repeats
from mmindustry.dashboard.windows import LabelForm
from mmindustry.testing.clock import HandClock
from tests.plant_record import NOW, PlantRecord
from tests.unit.dashboard.material import (
    AACHEN_VIEWER,
    ACCESS,
    BASE,
    BROWSER,
    WIDE_OPERATOR,
    form_token,
    make_client,
)


def view(record: PlantRecord) -> str:
    return f"/alarms/view?id={quote(record.sick_alarm, safe='')}"


def answer(client: TestClient, record: PlantRecord, action: str, **fields: str) -> tuple[int, str]:
    """Send the form of the alarm's page as a browser would; return status and page after it."""
    page = client.get(view(record), headers=BROWSER).text
    version = re.search(r'name="version" value="(\d+)"', page)
    assert version
    sent = client.post(
        "/alarms/answer",
        data={
            "id": record.sick_alarm,
            "action": action,
            "token": form_token(page),
            "version": version.group(1),
            **fields,
        },
        headers={"Origin": BASE, "Sec-Fetch-Site": "same-origin"},
    )
    return sent.status_code, client.get(view(record), headers=BROWSER).text


def test_an_acknowledged_alarm_says_by_whom_and_stops_blinking(own_record: PlantRecord) -> None:
    with make_client(own_record) as client:
        before = client.get(view(own_record)).text
        status, after = answer(client, own_record, "acknowledge")

    assert status == 303
    assert "mark blink" in before
    assert "mark blink" not in after
    assert "active, acknowledged" in after
    assert "<b>acknowledged</b> · local" in after


def test_a_verdict_is_a_label_of_the_alarms_span_and_acknowledges(own_record: PlantRecord) -> None:
    with make_client(own_record) as client:
        answer(client, own_record, "reject", comment="wash-down")
        status, page = answer(client, own_record, "confirm", comment="I was wrong")
        labels = client.get("/labels.json").json()["rows"]

    assert status == 303
    assert "active, acknowledged" in page
    assert [(label["verdict"], label["comment"]) for label in labels[:2]] == [
        ("confirmed", "I was wrong"),
        ("rejected", "wash-down"),
    ]
    assert labels[0]["supersedes"] == labels[1]["id"]
    assert labels[0]["alarm_id"] == own_record.sick_alarm


def test_a_shelved_alarm_is_quiet_until_its_end(own_record: PlantRecord) -> None:
    clock = HandClock(NOW)
    with make_client(own_record, clock=clock) as client:
        answer(client, own_record, "shelve", minutes="15", comment="spare part ordered")
        shelved = client.get(view(own_record)).text
        tile = client.get("/?under=aachen/press-shop/line-1").text
        clock.crank(15 * 60 + 1)
        ended = client.get(view(own_record)).text

    assert "<span>shelved</span>" in shelved
    assert 'class="tile high' not in tile
    assert "active, not acknowledged" in ended


def test_the_slower_of_two_operators_is_told_who_was_faster(own_record: PlantRecord) -> None:
    policy = DashboardPolicy(access=ACCESS)
    with make_client(own_record, policy, access=WIDE_OPERATOR) as client:
        seen = client.get(f"/api/v1/alarm?id={quote(own_record.sick_alarm, safe='')}")
        tag = {"If-Match": seen.headers["etag"]}
        body = {"id": own_record.sick_alarm}
        first = client.post(
            "/api/v1/alarm/answer", json={**body, "action": "acknowledge"}, headers=tag
        )
        second = client.post("/api/v1/alarm/answer", json={**body, "action": "reject"}, headers=tag)

    assert first.status_code == 200
    assert first.json()["alarm"]["acknowledged_by"] == "otto"
    assert second.status_code == 412
    assert second.json()["code"] == "changed_meanwhile"
    assert "otto" in second.json()["detail"]


def test_the_same_answer_sent_twice_is_written_once(own_record: PlantRecord) -> None:
    with make_client(own_record, DashboardPolicy(access=ACCESS), access=WIDE_OPERATOR) as client:
        body = {"id": own_record.sick_alarm, "action": "confirm", "version": 0}
        answers = [client.post("/api/v1/alarm/answer", json=body) for _ in range(3)]
        labels = client.get("/labels.json").json()["rows"]

    assert [a.status_code for a in answers] == [200, 200, 200]
    assert len({a.json()["alarm"]["version"] for a in answers}) == 1
    assert len([label for label in labels if label["verdict"] == "confirmed"]) == 1


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"action": "comment", "comment": "  "}, 422),
        ({"action": "shelve", "minutes": "0"}, 422),
        ({"action": "explode"}, 422),
        ({"action": "acknowledge", "version": "77"}, 422),
        ({"action": "comment", "comment": "x" * 2001}, 422),
        ({"action": "acknowledge", "surprise": "1"}, 422),
    ],
)
def test_answers_that_say_nothing_are_refused(
    own_record: PlantRecord, fields: dict[str, str], status: int
) -> None:
    with make_client(own_record) as client:
        given, page = answer(client, own_record, fields["action"], **_rest(fields))

    assert given == status
    assert "active, not acknowledged" in page


def _rest(fields: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in fields.items() if key != "action"}


def test_a_window_can_be_labelled_and_shows_it(own_record: PlantRecord) -> None:
    path = f"/windows/{own_record.sick_window}"
    with make_client(own_record) as client:
        token = form_token(client.get(path).text)
        sent = client.post(
            f"{path}/label", data={"fault": "looseness", "token": token, "comment": "bolt found"}
        )
        page = client.get(path).text
        refused = client.post(f"{path}/label", data={"fault": "martians", "token": token})

    assert sent.status_code == 303
    assert "looseness · corrected · local" in page
    assert "bolt found" in page
    assert refused.status_code == 422


def test_a_label_sent_twice_is_written_once_and_a_correction_names_the_one_before(
    own_record: PlantRecord,
) -> None:
    path = f"/api/v1/windows/{own_record.sick_window}/label"
    with make_client(own_record, DashboardPolicy(access=ACCESS), access=WIDE_OPERATOR) as client:
        same = [client.post(path, json={"fault": "looseness"}) for _ in range(2)]
        other = client.post(path, json={"fault": "imbalance", "comment": "looked again"})

    assert [sent.status_code for sent in (*same, other)] == [200, 200, 200]
    first, second, third = (sent.json()["label"] for sent in (*same, other))
    assert first["id"] == second["id"]
    assert (first["fault"], first["verdict"], first["author"]) == ("looseness", "corrected", "otto")
    assert (third["fault"], third["supersedes"]) == ("imbalance", first["id"])


def test_an_answer_under_its_key_is_written_once_though_others_came_between(
    own_record: PlantRecord,
) -> None:
    path = "/api/v1/alarm/answer"
    ack = {"id": own_record.sick_alarm, "action": "acknowledge"}
    note = {"id": own_record.sick_alarm, "action": "comment", "comment": "on my way"}
    key = {"Idempotency-Key": "tablet-7"}
    with make_client(own_record, DashboardPolicy(access=ACCESS), access=WIDE_OPERATOR) as client:
        first = client.post(path, json=ack, headers=key)
        version = first.json()["alarm"]["version"]
        between = client.post(path, json={**note, "version": version})
        again = client.post(path, json=ack, headers=key)
        misused = client.post(path, json=note, headers=key)

    assert [sent.status_code for sent in (first, between, again)] == [200, 200, 200]
    assert again.json()["alarm"]["version"] == between.json()["alarm"]["version"]
    assert (misused.status_code, misused.json()["code"]) == (422, "key_reused")


def test_a_label_under_its_key_is_not_written_over_a_later_one(own_record: PlantRecord) -> None:
    path = f"/api/v1/windows/{own_record.sick_window}/label"
    key = {"Idempotency-Key": "tablet-8"}
    with make_client(own_record, DashboardPolicy(access=ACCESS), access=WIDE_OPERATOR) as client:
        client.post(path, json={"fault": "looseness"}, headers=key)
        client.post(path, json={"fault": "imbalance"})
        again = client.post(path, json={"fault": "looseness"}, headers=key)

    assert again.json()["label"]["fault"] == "imbalance"


def test_keys_are_ones_own_live_a_day_and_are_bounded() -> None:
    clock = HandClock(NOW)
    repeats, body = Repeats(clock), LabelForm(fault="looseness")
    repeats.note("otto", "k", body)

    assert repeats.known("otto", "k", body) is True
    assert repeats.known("anna", "k", body) is False
    assert repeats.known("otto", "k", LabelForm(fault="healthy")) is None
    clock.crank(86_401)
    assert repeats.known("otto", "k", body) is False
    repeats.note("otto", "k", body)
    for number in range(10_000):
        repeats.note("otto", str(number), body)
    assert repeats.known("otto", "k", body) is False


@pytest.mark.parametrize(
    ("headers", "form"),
    [
        ({"Origin": "http://evil.example"}, "good"),
        ({"Sec-Fetch-Site": "cross-site"}, "good"),
        ({"Sec-Fetch-Site": "same-site"}, "good"),
        ({"Origin": "null"}, "good"),
        ({}, ""),
        ({}, "1.deadbeef"),
    ],
)
def test_a_forged_post_changes_nothing(
    own_record: PlantRecord, headers: dict[str, str], form: str
) -> None:
    with make_client(own_record) as client:
        page = client.get(view(own_record)).text
        sent = client.post(
            "/alarms/answer",
            data={
                "id": own_record.sick_alarm,
                "action": "acknowledge",
                "token": form_token(page) if form == "good" else form,
            },
            headers=headers,
        )
        after = client.get(view(own_record)).text

    assert sent.status_code == 403
    assert "active, not acknowledged" in after


def test_a_viewer_sees_no_form_and_may_not_answer(own_record: PlantRecord) -> None:
    with make_client(own_record, DashboardPolicy(access=ACCESS), access=AACHEN_VIEWER) as client:
        page = client.get(view(own_record)).text
        sent = client.post(
            "/api/v1/alarm/answer", json={"id": own_record.sick_alarm, "action": "acknowledge"}
        )

    assert "only lets you look" in page
    assert "<form" not in page
    assert sent.status_code == 403


def test_form_tokens_are_bound_to_name_key_and_time() -> None:
    tokens = FormTokens("a key")
    token = tokens.make("otto", NOW)
    clock = HandClock(NOW)

    assert tokens.fits(token, "otto", NOW)
    assert not tokens.fits(token, "anna", NOW)
    assert not FormTokens("another").fits(token, "otto", NOW)
    assert not FormTokens("").fits(token, "otto", NOW)
    clock.crank(12 * 3600 + 2)
    assert not tokens.fits(token, "otto", clock.now())
    clock.set_back(24 * 3600)
    assert not tokens.fits(token, "otto", clock.now())
    assert not tokens.fits("", "otto", NOW)
