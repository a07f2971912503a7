"""Labelled snippets: what a person might paste, cut from documents of each kind of text."""

import dis
import doctest
import random
import textwrap
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from scripts.train_demo_models.corpus import (
    Document,
    Source,
    is_held_out,
    is_prose,
    on_one_line,
    sources,
    topics,
    without_addresses,
)
from scripts.train_demo_models.failures import tracebacks

#: Shorter snippets ("else:", "See also") are of no kind in particular.
SHORTEST_SNIPPET = 24

#: Kinds of text have as many snippets each, so that accuracy means something.
TRAINING_SNIPPETS, HELD_OUT_SNIPPETS = 2500, 250

#: A document is cut this often, each time elsewhere: interactive sessions are few.
TRAINING_CUTS = 5

#: A module's first instructions are as good as all of them, and there are many.
MOST_INSTRUCTIONS = 200


@dataclass(frozen=True)
class Snippet:
    """A piece of text and the number of its kind."""

    text: str
    kind: int


@dataclass(frozen=True)
class Kind:
    """A kind of text: where it comes from, and how it falls into snippets."""

    label: str
    documents: Callable[[], Iterator[Document]]
    most_pieces: int
    separator: str = "\n"


def documentation() -> Iterator[Document]:
    """Yield prose: topics and docstrings without their examples."""
    for topic in topics():
        yield Document(topic.name, _prose(topic.pieces))
    for source in sources():
        paragraphs = [paragraph for docstring in source.docstrings for paragraph in docstring.paragraphs]
        yield Document(source.name, _prose(paragraphs))


def python_code() -> Iterator[Document]:
    """Yield modules without their docstrings, which are documentation."""
    for source in sources():
        prose_lines = {number for docstring in source.docstrings for number in docstring.lines}
        lines = [line for number, line in enumerate(source.text.split("\n"), 1) if number not in prose_lines]
        yield Document(source.name, tuple(line for line in lines if line.strip()))


def interactive_sessions() -> Iterator[Document]:
    """Yield the examples that start with a prompt in topics and docstrings."""
    for topic in topics():
        yield Document(topic.name, tuple(_examples("\n\n".join(topic.pieces))))
    for source in sources():
        docstrings = ["\n\n".join(docstring.paragraphs) for docstring in source.docstrings]
        yield Document(source.name, tuple(example for docstring in docstrings for example in _examples(docstring)))


def disassembly() -> Iterator[Document]:
    """Yield modules as the interpreter sees them."""
    for source in sources():
        yield Document(source.name, tuple(islice(_instructions(source), MOST_INSTRUCTIONS)))


KINDS = (
    Kind("documentation", documentation, most_pieces=2, separator="\n\n"),
    Kind("python code", python_code, most_pieces=12),
    Kind("traceback", tracebacks, most_pieces=1),
    Kind("interactive session", interactive_sessions, most_pieces=5),
    Kind("disassembly", disassembly, most_pieces=12),
)


def snippets(choices: random.Random) -> tuple[list[Snippet], list[Snippet]]:
    """Return the snippets to train on and the held-out ones, which share no document and no text with them."""
    training: list[Snippet] = []
    held_out: list[Snippet] = []
    for number, kind in enumerate(KINDS):
        trained: set[str] = set()
        unseen: set[str] = set()
        for document in kind.documents():
            if is_held_out(document.name):
                unseen.update(_cut(document, kind, choices))
            else:
                for _ in range(TRAINING_CUTS):
                    trained.update(_cut(document, kind, choices))
        training += [Snippet(text, number) for text in _sample(trained, TRAINING_SNIPPETS, choices)]
        held_out += [Snippet(text, number) for text in _sample(unseen - trained, HELD_OUT_SNIPPETS, choices)]
    return training, held_out


def _sample(texts: set[str], most: int, choices: random.Random) -> list[str]:
    return choices.sample(sorted(texts), min(most, len(texts)))


def _cut(document: Document, kind: Kind, choices: random.Random) -> Iterator[str]:
    start = 0
    while start < len(document.pieces):
        end = start + choices.randint(1, kind.most_pieces)
        text = textwrap.dedent(kind.separator.join(document.pieces[start:end])).strip()
        if len(text) >= SHORTEST_SNIPPET:
            yield text
        start = end


def _prose(paragraphs: Iterable[str]) -> tuple[str, ...]:
    """Keep the paragraphs that are English, every other one on a single line."""
    kept = [paragraph for paragraph in paragraphs if is_prose(paragraph)]
    return tuple(on_one_line(text) if number % 2 else text for number, text in enumerate(kept))


def _examples(text: str) -> Iterator[str]:
    try:
        examples = doctest.DocTestParser().get_examples(text)
    except ValueError:  # a prompt in prose, not an example
        return
    for example in examples:
        first, *rest = example.source.splitlines()
        yield "\n".join([f">>> {first}", *(f"... {line}" for line in rest), *example.want.splitlines()])


def _instructions(source: Source) -> Iterator[str]:
    waiting = [compile(source.text, source.name, "exec")]
    while waiting:
        code = waiting.pop()
        lines = without_addresses(dis.Bytecode(code).dis()).splitlines()
        yield from (line for line in lines if line.strip() and "frozenset" not in line)  # whose order is random
        waiting += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
