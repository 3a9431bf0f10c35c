import base64
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from mmindustry.cli.schemas import documents
from mmindustry.codec.decode import decode
from mmindustry.codec.encode import encode_event
from mmindustry.codec.policy import CodecPolicy
from mmindustry.codec.schemas import documents as codec_documents
from mmindustry.codec.schemas import envelope_schema, examples
from mmindustry.domain import Event, Message, Position
from tests.codec_samples import NOON

FOLDER = Path("schemas")
DOCUMENTS = codec_documents(CodecPolicy())
EXAMPLES = sorted(examples())


def read(topic: str, key: str, value: bytes, headers: dict[str, str]) -> Event:
    told = tuple((name, text.encode()) for name, text in headers.items())
    message = Message(Position(topic, 0, 0), key.encode(), value, told, NOON)
    (event,), letters = decode([message], count=1, policy=CodecPolicy())
    assert not letters
    return event


def loaded(name: str) -> Any:
    return json.loads(DOCUMENTS[name])


def test_the_committed_documents_are_current() -> None:
    told = documents()

    old = [name for name, text in told.items() if (FOLDER / name).read_text() != text]

    assert old == [], "run: mmindustry schemas write"
    committed = {file.relative_to(FOLDER).as_posix() for file in FOLDER.rglob("*.json")}
    assert committed == set(told)


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_example_is_read_alike_in_both_modes(name: str) -> None:
    binary = loaded(f"examples/{name}.json")
    value = (
        base64.b64decode(binary["value_base64"])
        if "value_base64" in binary
        else binary["value"].encode()
    )
    structured = DOCUMENTS[f"examples/{name}.structured.json"].encode()

    event = read(binary["topic"], binary["key"], value, binary["headers"])
    same = read(
        binary["topic"], binary["key"], structured, {"content-type": "application/cloudevents+json"}
    )

    assert event.content == same.content == examples()[name]
    assert encode_event(event).value == value


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_structured_example_fits_the_envelope_schema(name: str) -> None:
    Draft202012Validator(envelope_schema()).validate(loaded(f"examples/{name}.structured.json"))


@pytest.mark.parametrize(
    ("schema", "payload", "fits"),
    [
        ("log.v1", {"text": "hot", "time_precision": "1d"}, "fits"),
        ("log.v1", {"text": "hot", "time_precision": "day"}, "breaks"),
        ("log.v1", {"author": "kim"}, "breaks"),
        ("log.v1", {"text": "hot", "colour": "red"}, "breaks"),
        ("state.v1", {"running": True, "speed_rpm": 1480}, "fits"),
        ("state.v1", {"load_ratio": 3}, "breaks"),
        ("state.v1", {"speed": 1480}, "breaks"),
    ],
    ids=str,
)
def test_a_payload_schema_says_what_the_decoder_does(
    schema: str, payload: dict[str, object], fits: str
) -> None:
    topic = {"log.v1": "mm.logs", "state.v1": "mm.states"}[schema]
    headers = {
        "ce_specversion": "1.0",
        "ce_id": "1",
        "ce_source": "s",
        "ce_type": f"io.mmindustry.{schema}",
        "ce_subject": "a/b/c/d",
        "content-type": "application/json",
    }
    told = tuple((name, text.encode()) for name, text in headers.items())
    value = json.dumps(payload).encode()
    message = Message(Position(topic, 0, 0), b"a/b/c/d", value, told, NOON)

    events, _ = decode([message], count=1, policy=CodecPolicy())

    assert Draft202012Validator(loaded(f"{schema}.schema.json")).is_valid(payload) is (
        fits == "fits"
    )
    assert bool(events) is (fits == "fits")


def test_the_asyncapi_document_refers_to_what_there_is() -> None:
    document = loaded("asyncapi.json")

    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if "$ref" in node else []
            return own + [ref for value in node.values() for ref in references(value)]
        return []

    found = references(document)
    assert found
    for reference in found:
        if not reference.startswith("#/"):
            assert reference in DOCUMENTS
            continue
        node = document
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]
    assert {channel["address"] for channel in document["channels"].values()} >= {
        "mm.frames",
        "mm.audio.dlq",
    }
