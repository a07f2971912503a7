"""The text-kind classifier: a BERT small enough for a test, that tells prose from code from tracebacks."""

import random
from collections.abc import Callable
from pathlib import Path

import torch
from tokenizers import processors
from transformers import BatchEncoding, BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

from scripts.train_demo_models.byte_pairs import train_byte_pairs
from scripts.train_demo_models.model_card import write_model_card
from scripts.train_demo_models.snippets import KINDS, Snippet, snippets
from scripts.train_demo_models.training import Budget, train

NAME = "cluster-manager/tiny-text-kind"

#: About a minute on one thread of a 2020s server CPU.
STEPS = 500

CONTEXT_TOKENS = 256
BATCH_SNIPPETS = 16
START, END, PADDING = "[CLS]", "[SEP]", "[PAD]"

CARD = """\
A BERT of {parameters:.2f} million parameters that tells what kind of text a snippet is: {labels}.

| | |
|---|---|
| Architecture | `BertForSequenceClassification`, {layers} layers of {width}, context of {context} tokens, float32 |
| Tokenizer | byte-level byte pairs, {vocabulary} tokens |
| Data | {trained} snippets: documentation topics and docstrings, the standard library's code and disassembly, \
examples with a prompt, and real tracebacks of functions called wrongly |
| Held out | {held_out} snippets of modules and topics that training never saw |
| Held-out accuracy | {accuracy:.3f} |
| Training | {training} |

| Kind | Held-out accuracy |
|---|---|
{accuracies}

It knows these five kinds only, and gives any other text to the nearest.
"""


def make_text_kind(folder: Path, seconds: float, seed: int) -> None:
    """Train the classifier, print how it does, and save it."""
    choices = random.Random(seed)
    trained, held_out = snippets(choices)
    tokenizer = _make_tokenizer([snippet.text for snippet in trained])
    model = BertForSequenceClassification(_config(tokenizer))

    training = train(model, _batches(tokenizer, trained, choices), Budget(STEPS, seconds))
    is_right = _is_right(model, tokenizer, held_out)
    accuracy = sum(is_right) / len(held_out)
    print(f"{NAME}: {training}, held-out accuracy {accuracy:.3f} over {len(held_out)} snippets")

    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    facts = CARD.format(
        parameters=model.num_parameters() / 1e6,
        labels=", ".join(kind.label for kind in KINDS),
        layers=model.config.num_hidden_layers,
        width=model.config.hidden_size,
        context=CONTEXT_TOKENS,
        vocabulary=len(tokenizer),
        trained=len(trained),
        held_out=len(held_out),
        accuracy=accuracy,
        training=training,
        accuracies="\n".join(_accuracy_rows(held_out, is_right)),
    )
    write_model_card(folder, NAME, "text-classification", facts)


def _make_tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    tokenizer = train_byte_pairs(texts, vocabulary=2048, special_tokens=[PADDING, START, END])
    ends = [(token, tokenizer.token_to_id(token)) for token in (START, END)]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{START} $A {END}", special_tokens=ends)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        cls_token=START,
        sep_token=END,
        pad_token=PADDING,
        model_max_length=CONTEXT_TOKENS,
        model_input_names=["input_ids", "attention_mask"],
    )


def _config(tokenizer: PreTrainedTokenizerFast) -> BertConfig:
    labels = dict(enumerate(kind.label for kind in KINDS))
    return BertConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=CONTEXT_TOKENS,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=256,
        attention_probs_dropout_prob=0.0,  # would take torch's slow path
        pad_token_id=tokenizer.pad_token_id,
        id2label=labels,
        label2id={label: number for number, label in labels.items()},
    )


def _encode(tokenizer: PreTrainedTokenizerFast, batch: list[Snippet]) -> BatchEncoding:
    encoded = tokenizer([snippet.text for snippet in batch], padding=True, truncation=True, return_tensors="pt")
    encoded["labels"] = torch.tensor([snippet.kind for snippet in batch])
    return encoded


def _batches(
    tokenizer: PreTrainedTokenizerFast, trained: list[Snippet], choices: random.Random
) -> Callable[[], BatchEncoding]:
    return lambda: _encode(tokenizer, choices.sample(trained, BATCH_SNIPPETS))


@torch.inference_mode()
def _is_right(
    model: BertForSequenceClassification, tokenizer: PreTrainedTokenizerFast, held_out: list[Snippet]
) -> list[bool]:
    """Say of each snippet whether the model knows its kind."""
    verdicts: list[bool] = []
    for start in range(0, len(held_out), 64):
        batch = _encode(tokenizer, held_out[start : start + 64])
        verdicts += (model(**batch).logits.argmax(-1) == batch["labels"]).tolist()
    return verdicts


def _accuracy_rows(held_out: list[Snippet], is_right: list[bool]) -> list[str]:
    rows = []
    for number, kind in enumerate(KINDS):
        verdicts = [right for snippet, right in zip(held_out, is_right, strict=True) if snippet.kind == number]
        rows.append(f"| {kind.label} | {sum(verdicts) / len(verdicts):.3f} of {len(verdicts)} |")
    return rows
