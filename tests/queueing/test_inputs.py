"""References in a request become the values that they stand for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from actors.errors import InputNotFound, InvalidRequest, RequestTooLarge, StoreUnreachable
from actors.queueing.blobs import Blobs, as_json
from actors.queueing.input_folder import InputFolder
from actors.queueing.inputs import Inputs
from settings.config import Settings
from settings.connections import result_client


@pytest.fixture
def blobs(settings: Settings) -> Iterator[Blobs]:
    with result_client(settings) as client:
        yield Blobs(client, max_bytes=10_000, ttl_seconds=60)


@pytest.fixture
def inputs(blobs: Blobs, tmp_path: Path) -> Inputs:
    """With this test's own folder."""
    return Inputs(blobs, InputFolder(tmp_path, 1_000))


def resolved(inputs: Inputs, actor: str, /, **fields: Any) -> dict[str, Any]:
    return inputs.resolve(actor, {"model": "org/a", **fields})


def test_without_references_the_fields_are_as_they_were(inputs: Inputs) -> None:
    assert resolved(inputs, "embed", texts=["a"]) == {"model": "org/a", "texts": ["a"]}


@pytest.mark.parametrize(
    ("actor", "field", "content"),
    [
        ("embed", "texts", ["a", "b"]),
        ("generate", "prompt", "A list is"),
        ("generate", "messages", [{"role": "user", "content": "Hello"}]),
        ("run_pipeline", "inputs", "a text"),
        ("run_pipeline", "inputs", {"samples": [0.0], "sampling_rate": 16_000}),
        ("run_pipeline", "inputs", b"\x89PNG"),
        ("run_pipeline", "parameters", {"top_k": 1}),
    ],
)
def test_a_field_is_what_was_put(inputs: Inputs, blobs: Blobs, actor: str, field: str, content: object) -> None:
    fields = resolved(inputs, actor, **{field: as_json(blobs.put(content))})

    assert fields == {"model": "org/a", field: content}


@pytest.mark.parametrize(
    ("actor", "field", "stored", "value"),
    [
        ("embed", "texts", b'["a"]', ["a"]),
        ("generate", "prompt", "größer".encode(), "größer"),
        ("run_pipeline", "inputs", b"RIFF", b"RIFF"),
    ],
)
def test_a_file_and_bytes_are_read_as_their_field_needs_them(
    inputs: Inputs, blobs: Blobs, tmp_path: Path, actor: str, field: str, stored: bytes, value: object
) -> None:
    (tmp_path / "file").write_bytes(stored)

    assert resolved(inputs, actor, **{field: {"$file": "file"}})[field] == value
    assert resolved(inputs, actor, **{field: as_json(blobs.put(stored))})[field] == value


def test_a_reference_may_say_how_it_is_read(inputs: Inputs, tmp_path: Path) -> None:
    (tmp_path / "texts.json").write_text('["a", "b"]')

    assert resolved(inputs, "run_pipeline", inputs={"$file": "texts.json", "as": "json"})["inputs"] == ["a", "b"]


@pytest.mark.parametrize(
    ("field", "stored", "complaint"),
    [
        ("texts", b"not JSON", "embed: texts: the content cannot be read as json"),
        ("texts", b"[" * 5_000, "cannot be read as json"),
        ("texts", b"\x80\x04N.", "cannot be read as json"),
    ],
)
def test_a_content_that_is_not_what_its_field_needs_is_told(
    inputs: Inputs, blobs: Blobs, field: str, stored: bytes, complaint: str
) -> None:
    with pytest.raises(InvalidRequest, match=complaint):
        resolved(inputs, "embed", **{field: as_json(blobs.put(stored))})


def test_a_prompt_that_is_no_text_is_told(inputs: Inputs, blobs: Blobs) -> None:
    with pytest.raises(InvalidRequest, match="generate: prompt: the content cannot be read as text"):
        resolved(inputs, "generate", prompt=as_json(blobs.put(b"\xff\xfe")))


def test_errors_keep_their_class_and_name_the_field(inputs: Inputs, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * 1_001)

    with pytest.raises(InputNotFound, match="embed: texts: the content 000000000000"):
        resolved(inputs, "embed", texts={"$blob": "0" * 64})
    with pytest.raises(InputNotFound, match="embed: texts: there is no file"):
        resolved(inputs, "embed", texts={"$file": "nowhere"})
    with pytest.raises(RequestTooLarge, match="embed: texts: 'large' has more than"):
        resolved(inputs, "embed", texts={"$file": "large"})


def test_a_redis_that_is_away_is_tried_again() -> None:
    inputs = Inputs(Blobs(redis.Redis(port=1), 1_000, 60), InputFolder(None, 1_000))

    with pytest.raises(StoreUnreachable, match="cannot be fetched"):
        resolved(inputs, "embed", texts={"$blob": "0" * 64})
