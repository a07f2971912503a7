"""Text that is published piece by piece is the text of the whole, and ends before its stop string."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from actors.engine.tasks.growing_text import GrowingText

SENTENCES = ["Hello world , stop here . 😀 😀 👩‍👩‍👧 Grüße , zażółć . 你好 你好 END", "the end of the END ! 😀"] * 5

VOCABULARY_SIZE = 330


def _byte_pairs() -> Any:
    """A small tokenizer of the kind that decoders have: a character may be several tokens, a token half a character."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE, special_tokens=["<end>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    # Some checkpoints ask for this; it joins what other tokens wrote, such as a space and a full stop.
    tidies_up = {
        "clean_up_tokenization_spaces": True,
        "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output": True,
    }
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>", **tidies_up)


TOKENIZER = _byte_pairs()

#: What models write by mistake too: halves of characters, special tokens in the middle.
any_ids = st.lists(st.integers(0, len(TOKENIZER) - 1), max_size=30)
some_text = st.text(max_size=40) | st.lists(st.sampled_from([*SENTENCES[0].split(), " ", "\n", "."])).map("".join)
stop_strings = st.lists(st.text(alphabet="aeEND 😀.!", min_size=1, max_size=4), min_size=1, max_size=3)


def _ids(text: str) -> list[int]:
    ids: list[int] = TOKENIZER(text)["input_ids"]
    return ids


def _whole(ids: list[int]) -> str:
    return str(TOKENIZER.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))


def _published(growing: GrowingText, ids: list[int]) -> tuple[list[str], list[int]]:
    """The pieces that a stream gets, and the ids that were generated until the text stopped."""
    pieces = []
    for count, token in enumerate(ids, start=1):
        growing.add(token)
        pieces.append(growing.take(final=growing.is_stopped or count == len(ids)))
        if growing.is_stopped:
            return pieces, ids[:count]
    return pieces, ids


def _before_stop(text: str, stop: list[str]) -> str:
    return text[: min((text.index(string) for string in stop if string in text), default=len(text))]


@given(some_text)
@example("Hello , world . 😀 !")
@example("😀")
@example("👩‍👩‍👧 family")
def test_the_pieces_are_the_text(text: str) -> None:
    growing = GrowingText(TOKENIZER)

    pieces, _ = _published(growing, _ids(text))

    assert "".join(pieces) == growing.complete() == text


@given(any_ids)
def test_the_pieces_are_the_whole_decoded_at_once_whatever_a_model_writes(ids: list[int]) -> None:
    growing = GrowingText(TOKENIZER)

    pieces, _ = _published(growing, ids)

    assert "".join(pieces) == growing.complete() == _whole(ids)


@given(some_text.map(_ids) | any_ids, stop_strings)
def test_nothing_of_a_stop_string_and_nothing_after_it_is_published(ids: list[int], stop: list[str]) -> None:
    growing = GrowingText(TOKENIZER, stop)

    pieces, generated = _published(growing, ids)

    assert "".join(pieces) == growing.complete() == _before_stop(_whole(generated), stop)


@given(some_text.map(_ids) | any_ids, stop_strings)
def test_a_text_that_nobody_streams_stops_at_the_same_place(ids: list[int], stop: list[str]) -> None:
    streamed, read_at_the_end = GrowingText(TOKENIZER, stop), GrowingText(TOKENIZER, stop)
    _, generated = _published(streamed, ids)

    for token in generated:
        read_at_the_end.add(token)

    assert read_at_the_end.complete() == streamed.complete()
    assert read_at_the_end.is_stopped == streamed.is_stopped


def test_a_character_is_published_when_it_is_whole() -> None:
    growing, pieces = GrowingText(TOKENIZER), []
    ids = _ids("a\N{SNOWMAN}b")

    for token in ids:
        growing.add(token)
        pieces.append(growing.take(final=False))

    assert [piece for piece in pieces if piece] == ["a", "\N{SNOWMAN}", "b"]
    assert len(ids) > 3


def test_a_stop_string_is_found_although_its_tokens_come_one_by_one() -> None:
    growing = GrowingText(TOKENIZER, ["STOP"])

    pieces, generated = _published(growing, [token for part in "a STOP b" for token in _ids(part)])

    assert "".join(pieces) == "a "
    assert _whole(generated) == "a STOP"
    assert growing.is_stopped


def test_what_only_looked_like_a_stop_string_is_published_after_all() -> None:
    growing, pieces = GrowingText(TOKENIZER, ["STOP"]), []

    for part in "STOX":
        growing.add(*_ids(part))
        pieces.append(growing.take(final=False))

    assert pieces == ["", "", "", "STOX"]


def test_the_first_of_several_stop_strings_counts() -> None:
    growing = GrowingText(TOKENIZER, ["END", "here"])

    pieces, _ = _published(growing, _ids("stop here . END"))

    assert "".join(pieces) == "stop "


def test_a_stop_string_is_not_published_with_half_a_character_that_ends_the_text() -> None:
    space_and_half_a_character = next(token for token in range(len(TOKENIZER)) if _whole([token]) == " \ufffd")
    growing = GrowingText(TOKENIZER, [" "])

    pieces, _ = _published(growing, [*_ids("a"), space_and_half_a_character])

    assert "".join(pieces) == growing.complete() == "a"


@pytest.mark.parametrize("stop", [[], ["END"]])
def test_no_token_at_all_is_an_empty_text(stop: list[str]) -> None:
    growing = GrowingText(TOKENIZER, stop)

    assert growing.take(final=True) == ""
    assert growing.complete() == ""
