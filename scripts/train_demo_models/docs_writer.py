"""The docs writer: a GPT-2 small enough for a test, that goes on writing Python's documentation."""

import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import torch
from transformers import GenerationConfig, GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from scripts.train_demo_models.byte_pairs import train_byte_pairs
from scripts.train_demo_models.corpus import is_held_out, is_prose, on_one_line, sources, topics
from scripts.train_demo_models.model_card import write_model_card
from scripts.train_demo_models.questions import ANSWER, QUESTION, library_questions, topic_questions
from scripts.train_demo_models.training import Budget, train

NAME = "cluster-manager/tiny-docs-writer"

#: About four minutes on one thread of a 2020s server CPU.
STEPS = 1500

CONTEXT_TOKENS = 256
END, PADDING = "<|endoftext|>", "<|padding|>"

CHAT_TEMPLATE = f"""\
{{%- for message in messages -%}}
{{%- if message.role == 'system' -%}}{{{{ message.content }}}}{{{{ '\\n\\n' }}}}
{{%- elif message.role == 'user' -%}}{QUESTION} {{{{ message.content }}}}{{{{ '\\n' }}}}
{{%- else -%}}{ANSWER} {{{{ message.content }}}}{{{{ eos_token }}}}
{{%- endif -%}}
{{%- endfor -%}}
{{%- if add_generation_prompt -%}}{ANSWER}{{%- endif -%}}
"""

CARD = """\
A GPT-2 of {parameters:.2f} million parameters that writes English like Python's documentation, and answers questions
in its tone. What it writes has the form of knowledge without the content: use it to try out text generation
where no model can be downloaded, not to learn Python.

| | |
|---|---|
| Architecture | `GPT2LMHeadModel`, {layers} layers of {width}, context of {context} tokens, float32 |
| Tokenizer | byte-level byte pairs, {vocabulary} tokens; chat template `Question: ...` / `Answer:` |
| Data | in equal shares: the prose of {topics} documentation topics and {topic_questions} questions about them, \
the prose of {docstrings} docstrings and {library_questions} questions about the standard library |
| Held out | {held_out_topics} topics, with every paragraph that other topics share with them |
| Held-out loss | {loss:.3f} a token (perplexity {perplexity:.1f}) |
| Training | {training} |
"""


def make_docs_writer(folder: Path, seconds: float) -> None:
    """Train the docs writer, print how it does, and save it."""
    guides = [_prose(topic.pieces) for topic in topics() if not is_held_out(topic.name)]
    held_out_guides = [_prose(topic.pieces) for topic in topics() if is_held_out(topic.name)]
    docstrings = list(_docstrings())
    about_topics, about_library = topic_questions(), library_questions()
    texts = (guides, about_topics, docstrings, about_library)
    tokenizer = _make_tokenizer([text for kind in texts for text in kind])
    model = GPT2LMHeadModel(_config(tokenizer))
    model.generation_config = _generation_config(tokenizer)

    training = train(model, _batches([_stream(tokenizer, kind) for kind in texts]), Budget(STEPS, seconds))
    loss = _held_out_loss(model, _stream(tokenizer, held_out_guides))
    print(f"{NAME}: {training}, held-out loss {loss:.3f}, perplexity {math.exp(loss):.1f}")

    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    facts = CARD.format(
        parameters=model.num_parameters() / 1e6,
        layers=model.config.n_layer,
        width=model.config.n_embd,
        context=CONTEXT_TOKENS,
        vocabulary=len(tokenizer),
        topics=len(guides),
        docstrings=len(docstrings),
        topic_questions=len(about_topics),
        library_questions=len(about_library),
        held_out_topics=len(held_out_guides),
        loss=loss,
        perplexity=math.exp(loss),
        training=training,
    )
    write_model_card(folder, NAME, "text-generation", facts)


def _docstrings() -> Iterator[str]:
    """Yield the docstrings that are more than a summary, which the questions have."""
    for source in sources():
        if not is_held_out(source.name):
            for docstring in source.docstrings:
                if len(docstring.paragraphs) > 1:
                    yield _prose(docstring.paragraphs)


def _prose(paragraphs: Iterable[str]) -> str:
    """Return the English among the paragraphs; a small model has no room for line breaks and grammars."""
    return "\n".join(on_one_line(paragraph) for paragraph in paragraphs if is_prose(paragraph))


def _make_tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_object=train_byte_pairs(texts, vocabulary=2048, special_tokens=[END, PADDING]),
        bos_token=END,
        eos_token=END,
        pad_token=PADDING,
        padding_side="left",  # so that every row of a batch ends where generation begins
        model_max_length=CONTEXT_TOKENS,
        model_input_names=["input_ids", "attention_mask"],
        chat_template=CHAT_TEMPLATE,
    )


def _config(tokenizer: PreTrainedTokenizerFast) -> GPT2Config:
    return GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=CONTEXT_TOKENS,
        n_embd=128,
        n_layer=4,
        n_head=4,
        resid_pdrop=0.0,  # few steps: dropout would cost more than it saves
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def _generation_config(tokenizer: PreTrainedTokenizerFast) -> GenerationConfig:
    return GenerationConfig(
        do_sample=False,
        repetition_penalty=1.2,  # so small a model repeats itself without these two
        no_repeat_ngram_size=6,  # fewer would keep an answer from naming its question's subject
        max_new_tokens=60,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def _stream(tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> torch.Tensor:
    """Return the texts' tokens end to end, an end token after each."""
    ends = [[*tokens, tokenizer.eos_token_id] for tokens in tokenizer(texts, verbose=False)["input_ids"]]
    return torch.tensor([token for tokens in ends for token in tokens])


def _batches(streams: list[torch.Tensor]) -> Callable[[], dict[str, torch.Tensor]]:
    """Return a function that draws a window from each stream."""

    def next_batch() -> dict[str, torch.Tensor]:
        windows = []
        for stream in streams:
            start = int(torch.randint(len(stream) - CONTEXT_TOKENS, ()))
            windows.append(stream[start : start + CONTEXT_TOKENS])
        batch = torch.stack(windows)
        return {"input_ids": batch, "labels": batch}

    return next_batch


@torch.inference_mode()
def _held_out_loss(model: GPT2LMHeadModel, stream: torch.Tensor) -> float:
    windows = stream[: len(stream) // CONTEXT_TOKENS * CONTEXT_TOKENS].view(-1, CONTEXT_TOKENS)
    return float(model(input_ids=windows, labels=windows).loss)
