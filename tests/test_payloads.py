"""What a caller may ask for, and the one clear error for everything else."""

import json
import re
import time
from typing import Any

import pytest
from pydantic import ValidationError

from actors.errors import InvalidRequest, RequestTooLarge
from actors.payloads import (
    MAX_TEXT_CHARACTERS,
    MAX_TEXTS,
    FileReference,
    GenerateRequest,
    Request,
    check_request,
    check_size,
    parse_request,
    read_as,
    references_in,
)

MODEL = "org/name"
MEGABYTE = 1_000_000

#: Long enough for a path, a shortened value and what is allowed.
LONGEST_MESSAGE = 400


def _refusal(actor: str, **fields: Any) -> str:
    with pytest.raises(InvalidRequest) as refusal:
        parse_request(actor, {"model": MODEL, **fields})
    message = str(refusal.value)
    assert message.startswith(f"{actor}: ")
    assert message.isprintable()
    assert len(message) < LONGEST_MESSAGE
    return message


def _embed(**fields: Any) -> Request:
    return parse_request("embed", {"model": MODEL, "texts": ["a"], **fields})


@pytest.mark.parametrize(
    "model", ["gpt2", "org/name", "Org/Name_1.5-x", "org/name@main", "org/name@0123abcd", "name@v1.0"]
)
def test_a_model_is_named_with_or_without_organisation_and_revision(model: str) -> None:
    assert _embed(model=model).model == model


@pytest.mark.parametrize(
    "model",
    [
        *("", " ", "../secret", "org/..", "org/name..", "org/../name", "org/name@..", "org/name@../../other"),
        *("/etc/passwd", "//server/share", "C:\\models", "C:/models", "C:models", "org\\name", "~/models"),
        *("org/na\0me", "org/name\n", "org\n/name", "org/name\u2028", "ö/name", "org/name%2e%2e"),
        *("org/name/", "/name", "org//name", "a/b/c", "org/name@", "@main", "org/name@a@b", ".hidden", "-rf"),
        *("https://host/model", "org/name?x", "org/$HOME", "x" * 201, "x" * MEGABYTE),
    ],
)
def test_an_id_that_could_lead_out_of_the_model_store_is_refused(model: str) -> None:
    message = _refusal("embed", model=model, texts=["a"])

    assert message.startswith(f"embed: model={ascii(model)[:40]}")
    assert "a model is named org/name or org/name@revision" in message
    assert "at most 200 characters" in message


@pytest.mark.parametrize("actor", ["embed", "classify"])
@pytest.mark.parametrize(
    ("texts", "complaint"),
    [
        ([], "texts=[]: 0 texts were given; 1 to 2,048 are accepted"),
        (["a"] * 10_000, "10,000 texts were given; 1 to 2,048 are accepted"),
        ([""], "texts[0]='': the text is empty"),
        (["a", " \n\t"], r"texts[1]=' \n\t': the text is empty"),
        (["a", 1], "texts[1]=1: Input should be a valid string"),
        (["a", None], "texts[1]=None: Input should be a valid string"),
        ([b"a"], "texts[0]=b'a': Input should be a valid string"),
        ([["a"]], "texts[0]=['a']: Input should be a valid string"),
        ("a text", "texts='a text': a list is needed"),
        ({"0": "a"}, "texts={'0': 'a'}: a list is needed"),
        (None, "texts=None: a list is needed"),
        (["x" * MEGABYTE], "the text has 1,000,000 characters; at most 100,000 are accepted"),
    ],
)
def test_texts_that_cannot_be_used_are_told_by_their_place(actor: str, texts: object, complaint: str) -> None:
    assert complaint in _refusal(actor, texts=texts)


def test_as_many_and_as_long_texts_as_are_documented_are_accepted() -> None:
    longest = "ä" * MAX_TEXT_CHARACTERS

    request = _embed(texts=[longest, *["a"] * (MAX_TEXTS - 1)])

    assert len(request.model_dump()["texts"]) == MAX_TEXTS


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("max_new_tokens", 0, "max_new_tokens=0: Input should be greater than or equal to 1"),
        ("max_new_tokens", 131_073, "max_new_tokens=131073: Input should be less than or equal to 131072"),
        ("max_new_tokens", 1.5, "max_new_tokens=1.5: Input should be a valid integer"),
        ("max_new_tokens", "5", "max_new_tokens='5': Input should be a valid integer"),
        ("max_new_tokens", True, "max_new_tokens=True: Input should be a valid integer"),
        ("temperature", float("nan"), "temperature=nan: Input should be less than or equal to 2"),
        ("temperature", float("inf"), "temperature=inf: Input should be less than or equal to 2"),
        ("temperature", float("-inf"), "temperature=-inf: Input should be greater than or equal to 0"),
        ("temperature", -0.1, "temperature=-0.1: Input should be greater than or equal to 0"),
        ("temperature", 10**400, "temperature=1000"),
        ("temperature", "0.5", "temperature='0.5': Input should be a valid number"),
        ("temperature", True, "temperature=True: Input should be a valid number"),
        ("temperature", None, "temperature=None: Input should be a valid number"),
        ("top_p", 0, "top_p=0: Input should be greater than 0"),
        ("top_p", float("nan"), "top_p=nan: Input should be"),
        ("top_k", -1, "top_k=-1: Input should be greater than or equal to 0"),
        ("repetition_penalty", 0, "repetition_penalty=0: Input should be greater than or equal to 0.1"),
        ("repetition_penalty", float("nan"), "repetition_penalty=nan: Input should be"),
        ("seed", -1, "seed=-1: Input should be greater than or equal to 0"),
        ("seed", 2**63, "seed=9223372036854775808: Input should be less than"),
        ("stream", 1, "stream=1: Input should be a valid boolean"),
        ("stream", "true", "stream='true': Input should be a valid boolean"),
        ("stop", "END", "stop='END': a list is needed"),
        ("stop", [""], "stop[0]='': String should have at least 1 character"),
        ("stop", ["x" * 201], "String should have at most 200 characters"),
        ("stop", [1], "stop[0]=1: Input should be a valid string"),
        ("stop", ["a"] * 9, "9 strings were given; 0 to 8 are accepted"),
        ("prompt", "", "prompt='': the text is empty"),
        ("temprature", 1, "temprature=1: there is no such field"),
    ],
)
def test_a_wrong_option_is_told_with_its_value_and_what_is_allowed(field: str, value: object, complaint: str) -> None:
    assert complaint in _refusal("generate", **{"prompt": "a", field: value})


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        ([], "messages=[]: 0 messages were given; 1 to 2,048 are accepted"),
        ("hello", "messages='hello': a list is needed"),
        ({"role": "user", "content": "a"}, "a list is needed"),
        (
            [{"role": "root", "content": "a"}],
            "messages[0].role='root': Input should be 'system', 'user' or 'assistant'",
        ),
        ([{"role": "user"}], "messages[0].content is missing"),
        ([{"role": "user", "content": ""}], "messages[0].content='': the text is empty"),
        ([{"role": "user", "content": "a", "name": "b"}], "messages[0].name='b': there is no such field"),
    ],
)
def test_a_conversation_that_cannot_be_rendered_is_told_by_its_turn(messages: object, complaint: str) -> None:
    assert complaint in _refusal("generate", messages=messages)


@pytest.mark.parametrize("fields", [{}, {"prompt": "a", "messages": [{"role": "user", "content": "a"}]}])
def test_generate_takes_a_prompt_or_a_conversation(fields: dict[str, Any]) -> None:
    assert _refusal("generate", **fields) == "generate: give either `prompt` or `messages`"


@pytest.mark.parametrize("task", ["", "Fill-Mask", "../x", "fill mask", "fill-mask\n", "x" * 65, 1])
def test_a_pipeline_is_named_in_small_letters(task: object) -> None:
    assert f"task={task!a}: " in _refusal("run_pipeline", task=task, inputs="a")


def test_a_field_that_is_missing_is_told_by_its_name() -> None:
    assert _refusal("embed") == "embed: texts is missing"
    assert _refusal("run_pipeline", task="fill-mask") == "run_pipeline: inputs is missing"


@pytest.mark.parametrize("field", ["x" * MEGABYTE, "two\nlines", "\x1b[31mred"])
def test_a_field_with_a_hostile_name_does_not_reach_the_message_as_it_is(field: str) -> None:
    assert _refusal("embed", texts=["a"], **{field: 1}).endswith("=1: there is no such field")


def test_what_is_not_a_set_of_fields_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        parse_request("embed", ["not", "fields"])  # type: ignore[arg-type]  # what a foreign client may send


def test_what_json_made_of_a_request_is_the_same_request() -> None:
    fields = {"model": MODEL, "messages": [{"role": "user", "content": "a"}], "stop": ["b"], "temperature": 1}

    sent, received = parse_request("generate", fields), parse_request("generate", json.loads(json.dumps(fields)))

    assert sent == received
    assert isinstance(received, GenerateRequest)
    assert received.stop == ("b",)


def test_a_request_cannot_be_changed_and_can_be_a_key() -> None:
    request = _embed()

    with pytest.raises(ValidationError, match="frozen"):
        request.model = "other/name"  # type: ignore[misc]  # that is the point

    assert {request: 1}[_embed()] == 1


def test_a_request_up_to_the_limit_is_let_through_and_one_byte_more_is_not() -> None:
    check_size({"texts": ["a" * 1000]}, max_bytes=len('{"texts":[""]}') + 1000)

    with pytest.raises(RequestTooLarge) as refusal:
        check_size({"texts": ["a" * 1000]}, max_bytes=len('{"texts":[""]}') + 999)

    expected = "the request has 1,014 bytes; at most 1,013 are accepted (MAX_PAYLOAD_BYTES)"
    assert str(refusal.value) == expected


def test_size_is_counted_in_bytes_and_not_in_characters() -> None:
    with pytest.raises(RequestTooLarge):
        check_size({"texts": ["😀" * 500]}, max_bytes=1024)


def _endless() -> list[Any]:
    nested: list[Any] = []
    nested.append(nested)
    return nested


@pytest.mark.parametrize("value", [object(), b"bytes", {1: 2}, "\ud800", 2**70, _endless()])
def test_what_is_not_json_is_refused_before_it_is_sent(value: object) -> None:
    with pytest.raises(InvalidRequest, match="cannot be written as JSON"):
        check_size({"inputs": value}, max_bytes=MEGABYTE)


def test_a_value_that_is_nested_a_thousand_times_is_refused() -> None:
    nested = json.loads("[" * 900 + "]" * 900)
    for _ in range(200):
        nested = [nested]

    # Python 3.12 can show it, and of what it shows there are 80 characters.
    assert re.search(r"texts\[0\]=(\(nested too deeply to be shown\)|\[{80}…): ", _refusal("embed", texts=[nested]))


@pytest.mark.parametrize("field", ["texts", "messages", "stop"])
def test_a_list_of_a_million_wrong_elements_is_refused_by_its_length(field: str) -> None:
    started = time.monotonic()

    complaint = _refusal("embed" if field == "texts" else "generate", **{field: [0] * 1_000_000})

    assert "1,000,000" in complaint
    assert time.monotonic() - started < 0.5


DIGEST = "0123456789abcdef" * 4


def test_a_reference_may_stand_for_any_field_but_the_model() -> None:
    fields = {"model": MODEL, "texts": {"$blob": DIGEST, "as": "json"}, "normalize": {"$file": "sub/flag.json"}}

    references = references_in("embed", fields)
    check_request("embed", fields)

    assert references.keys() == {"texts", "normalize"}
    assert read_as("texts", references["texts"]) == "json"


@pytest.mark.parametrize(("field", "kind"), [("prompt", "text"), ("messages", "json"), ("inputs", "bytes")])
def test_a_content_that_does_not_say_is_read_as_its_field_needs_it(field: str, kind: str) -> None:
    assert read_as(field, FileReference.model_validate({"$file": "a"})) == kind


@pytest.mark.parametrize("value", [{"file": "a.txt"}, {"blob": DIGEST}, {}, {"text": "a", "text_pair": "b"}, ["$file"]])
def test_an_object_without_a_references_key_is_a_value(value: object) -> None:
    assert references_in("run_pipeline", {"model": MODEL, "task": "a", "inputs": value}) == {}


def test_a_reference_is_never_a_model() -> None:
    with pytest.raises(InvalidRequest, match="embed: model="):
        check_request("embed", {"model": {"$blob": DIGEST}, "texts": ["a"]})


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"texts": {"$blob": DIGEST}, "normalize": "yes"}, "normalize='yes'"),
        ({"texts": {"$blob": DIGEST}, "colour": {"$blob": DIGEST}}, "colour={.*: there is no such field"),
        ({"texts": {"$blob": DIGEST}, "model": 5}, "model=5"),
    ],
)
def test_the_other_fields_are_checked_beside_a_reference(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidRequest, match=complaint):
        check_request("embed", {"model": MODEL, **fields})


@pytest.mark.parametrize(
    ("reference", "complaint"),
    [
        ({"$blob": 5}, r"texts\.'\$blob'=5"),
        ({"$blob": None}, r"texts\.'\$blob'=None"),
        ({"$blob": "0" * 63}, "texts"),
        ({"$blob": "0" * 65}, "texts"),
        ({"$blob": DIGEST + "\n"}, "texts"),
        ({"$blob": DIGEST.upper()}, "texts"),
        ({"$blob": "cm:workers"}, "texts"),
        ({"$blob": DIGEST, "ttl": 5}, r"texts\.ttl=5: there is no such field"),
        ({"$blob": DIGEST, "$file": "a"}, r"texts\.'\$file'='a': there is no such field"),
        ({"$blob": DIGEST, "as": "pickle"}, r"texts\.'as'='pickle'|texts\.as='pickle'"),
        ({"$file": 5}, r"texts\.'\$file'=5"),
        ({"$file": ["a"]}, "texts"),
        ({"$file": ""}, "leads down"),
        ({"$file": "."}, "leads down"),
        ({"$file": "/etc/passwd"}, "leads down"),
        ({"$file": "//host/share/a"}, "leads down"),
        ({"$file": "../a"}, "leads down"),
        ({"$file": "sub/../../a"}, "leads down"),
        ({"$file": "sub//a"}, "leads down"),
        ({"$file": "sub/"}, "leads down"),
        ({"$file": "a" * 256}, "leads down"),
        ({"$file": "a/" * 600 + "a"}, "1,000 printable"),
        ({"$file": "..\\a"}, "no backslash"),
        ({"$file": "C:/a"}, "no colon"),
        ({"$file": "http://127.0.0.1/a"}, "no colon"),
        ({"$file": "a.txt:stream"}, "no colon"),
        ({"$file": "a\0b"}, "printable"),
        ({"$file": "a\udc80b"}, "printable"),
    ],
)
def test_a_reference_of_another_shape_is_refused(reference: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidRequest, match=complaint) as refusal:
        check_request("embed", {"model": MODEL, "texts": reference})

    assert len(str(refusal.value)) < 400
