"""Texts become the tokens that the model's own tokenizer makes of them, however many requests share the call."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from actors.engine.tasks.tokens import tokenise


def _word_pieces() -> Any:
    """A small tokenizer of the kind that encoders have, with special tokens at both ends."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    trainer = trainers.WordPieceTrainer(vocab_size=120, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(["the quick brown fox jumps over the lazy dog", "Grüße, zażółć 你好!"], trainer)
    ends = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=ends)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )


TOKENIZER = _word_pieces()

texts = st.text(max_size=30) | st.lists(st.sampled_from(["the ", "fox", "[SEP]", "\x00", "😀", "你好"])).map("".join)


def _items(requests: list[list[str]], limit: int | None, tokenizer: Any = TOKENIZER) -> list[list[tuple[Any, bool]]]:
    several = tokenise(SimpleNamespace(tokenizer=tokenizer), requests, limit)
    return [[(item.content, item.truncated) for item in items] for items in several]


def _own_call(text: str, limit: int | None) -> tuple[list[int], bool]:
    """The ids that the tokenizer's own call gives, and whether there would have been more."""
    whole = TOKENIZER(text)["input_ids"]
    ids = TOKENIZER(text, truncation=True, max_length=limit)["input_ids"] if limit else whole
    return ids, len(ids) < len(whole)


@given(requests=st.lists(st.lists(texts, max_size=4), max_size=4), limit=st.none() | st.integers(2, 12))
@example(requests=[["the quick brown fox"], [], ["", "the"]], limit=4)
def test_requests_together_get_what_each_text_gets_alone(requests: list[list[str]], limit: int | None) -> None:
    assert _items(requests, limit) == [[_own_call(text, limit) for text in request] for request in requests]


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_long_text_is_cut_at_the_side_that_the_tokenizer_names(monkeypatch: pytest.MonkeyPatch, side: str) -> None:
    monkeypatch.setattr(TOKENIZER, "truncation_side", side)
    text = "the quick brown fox jumps"

    ((item,),) = _items([[text]], 6)

    assert item == (TOKENIZER(text, truncation=True, max_length=6)["input_ids"], True)


def test_a_limit_does_not_outlast_its_call() -> None:
    _items([["the fox"]], 3)

    assert _items([["the quick brown fox"]], None) == [[_own_call("the quick brown fox", None)]]


def test_a_tokenizer_without_a_fast_backend_is_called_itself() -> None:
    slow = SlowTokenizer()

    assert _items([["the quick brown fox"], ["the"]], 4, slow) == [
        [_own_call("the quick brown fox", 4)],
        [_own_call("the", 4)],
    ]


class SlowTokenizer:
    """A tokenizer in Python, as far as it is asked."""

    is_fast = False

    def __call__(self, texts: list[str], **options: Any) -> Any:
        return {"input_ids": TOKENIZER(texts, **options)["input_ids"]}
