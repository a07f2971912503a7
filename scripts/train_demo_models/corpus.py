"""Texts that every CPython carries: its documentation topics and its standard library."""

import ast
import os
import pydoc_data.topics
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

STANDARD_LIBRARY = Path(os.__file__).parent

#: Not prose or code that a person would paste: tests, generated tables, and the documentation topics themselves.
SKIPPED_FOLDERS = {"site-packages", "test", "tests", "idlelib", "lib2to3", "encodings", "pydoc_data", "turtledemo"}

#: One document in about ten is held out; of the 79 topics, five.
HELD_OUT_SHARE = 10

RULER = re.compile(r"[*=~+-]{3,}")

DocumentedNode = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Document:
    """A text in pieces (paragraphs, lines, examples) that may be cut apart but not reordered."""

    name: str
    pieces: tuple[str, ...]


@dataclass(frozen=True)
class Docstring:
    """The docstring of a module, class or function, by its paragraphs and its lines in the source."""

    name: str
    paragraphs: tuple[str, ...]
    lines: range


@dataclass(frozen=True)
class Source:
    """A module of the standard library."""

    name: str
    text: str
    tree: ast.Module

    @cached_property
    def docstrings(self) -> list[Docstring]:
        """Every docstring in the module, its own first."""
        return list(_docstrings(self.tree, self.name))


def is_held_out(name: str) -> bool:
    """Tell whether a document is kept from training.

    The name alone decides, so a module is held out of every kind of text at once: its code, its docstrings,
    its disassembly and its tracebacks.
    """
    return zlib.crc32(name.encode()) % HELD_OUT_SHARE == 0


@cache
def topics() -> tuple[Document, ...]:
    """Return the documentation topics, each paragraph in one topic only.

    Topics quote each other at length ("compound" holds all of "for"). Held-out topics come first, so that
    a paragraph they share with others is never trained on; then short ones, so that "for" keeps its own text.
    """
    seen: set[str] = set()
    documents = []
    texts = pydoc_data.topics.topics
    for name in sorted(texts, key=lambda name: (not is_held_out(name), len(texts[name]), name)):
        paragraphs = [block.strip("\n") for block in texts[name].split("\n\n")]
        fresh = [paragraph for paragraph in paragraphs if paragraph.strip() and paragraph.strip() not in seen]
        seen.update(paragraph.strip() for paragraph in fresh)
        documents.append(Document(name, tuple(fresh)))
    return tuple(documents)


@cache
def sources() -> tuple[Source, ...]:
    """Return the modules of the standard library that this interpreter can parse."""
    return tuple(_parse_sources())


def is_prose(paragraph: str) -> bool:
    """Tell English from grammars, code and examples, which documentation indents."""
    is_indented = all(line.startswith(" ") for line in paragraph.splitlines())
    return not is_indented and ">>>" not in paragraph


def on_one_line(paragraph: str) -> str:
    """Return a paragraph as people write it in a form, without line breaks and the rulers under titles."""
    return " ".join(word for word in paragraph.split() if not RULER.fullmatch(word))


def without_addresses(text: str) -> str:
    """Give every object the same address, so that two runs read the same text."""
    return re.sub("0x[0-9a-f]+", "0x7f3a5c0d1e80", text)


def _parse_sources() -> Iterator[Source]:
    for path in sorted([*STANDARD_LIBRARY.glob("*.py"), *STANDARD_LIBRARY.glob("*/*.py")]):
        relative = path.relative_to(STANDARD_LIBRARY)
        if SKIPPED_FOLDERS.isdisjoint(relative.parts):
            name = relative.with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
            text = path.read_text(encoding="utf-8")
            yield Source(name, text, ast.parse(text))


def _docstrings(node: DocumentedNode, name: str) -> Iterator[Docstring]:
    if text := ast.get_docstring(node):
        literal = node.body[0]
        yield Docstring(
            name, tuple(text.split("\n\n")), range(literal.lineno, (literal.end_lineno or literal.lineno) + 1)
        )
    for child in node.body:
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _docstrings(child, f"{name}.{child.name}")
