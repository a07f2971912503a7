"""The words of a filter: text that must be there, or must not, anywhere in a row or in one of its fields."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

#: What of an item can be looked for, by the names of its fields.
Fields = Mapping[str, Callable[[T], str]]

_WORD = re.compile(r'(?P<minus>-?)(?:(?P<field>[a-z]+):)?(?:"(?P<quoted>[^"]*)"?|(?P<plain>\S*))')


@dataclass(frozen=True)
class Word:
    """A text, with the field that was written before it, if any."""

    text: str
    field: str | None = None
    is_unwanted: bool = False


def read_words(typed: str) -> Iterator[Word]:
    """The words of `state:late -model:"a b" text`, in small letters."""
    for found in _WORD.finditer(typed.casefold()):
        text = found["plain"] if found["quoted"] is None else found["quoted"]
        if text or found["field"]:
            yield Word(text, found["field"], is_unwanted=bool(found["minus"]))


def unknown_fields(typed: str, known: Collection[str]) -> list[str]:
    """What was written like a field and is none, so that it is read as text."""
    return [word.field for word in read_words(typed) if word.field and word.field not in known]


def narrow(items: Iterable[T], typed: str, fields: Fields[T]) -> Iterable[T]:
    """The items that have each word, and none of the unwanted ones."""
    for word in read_words(typed):
        items = filter(_test(word, fields), items)
    return items


def _test(word: Word, fields: Fields[T]) -> Callable[[T], bool]:
    if word.field is None or word.field in fields:
        text, sought = word.text, [fields[word.field]] if word.field else [*fields.values()]
    else:
        text, sought = f"{word.field}:{word.text}", [*fields.values()]
    if not text:  # a field whose text is still to be typed
        return lambda _: True
    # What was typed has no line break, so that no text is found across two fields.
    return lambda item: (text in "\n".join([read(item) for read in sought]).casefold()) is not word.is_unwanted
