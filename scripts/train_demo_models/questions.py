"""Questions with their answers, drawn from the documentation, so that the writer can hold its side of a chat."""

from collections.abc import Iterator

from scripts.train_demo_models.corpus import Document, Source, is_held_out, on_one_line, sources, topics

#: The form of a chat, in training and in the tokenizer's template alike.
QUESTION, ANSWER = "Question:", "Answer:"

#: Longer answers are essays, shorter ones are stubs.
ANSWER_CHARACTERS = range(30, 400)


def topic_questions() -> list[str]:
    """Return questions about the documentation's topics: few, so a model can learn their answers."""
    return [question for topic in topics() if not is_held_out(topic.name) for question in _about_topic(topic)]


def library_questions() -> list[str]:
    """Return questions about the standard library: many, so a model learns their tone."""
    return [question for source in sources() if not is_held_out(source.name) for question in _about_module(source)]


def _about_topic(topic: Document) -> Iterator[str]:
    prose = [on_one_line(piece) for piece in topic.pieces[1:] if piece[0].isalpha() or piece[0] == '"']
    answer = next((paragraph for paragraph in prose if paragraph.endswith((".", ":"))), None)
    if answer:
        title = topic.pieces[0].splitlines()[0]
        subject = f"the {title.removeprefix('The ')}" if title.startswith("The ") else title.lower()
        for question in (f"What is {subject}?", f"How does {subject} work?", f"Tell me about {subject}."):
            yield _exchange(question, answer[:-1] + ".")


def _about_module(source: Source) -> Iterator[str]:
    for docstring in source.docstrings:
        summary = on_one_line(docstring.paragraphs[0])
        if "._" not in f".{docstring.name}" and _is_a_sentence(summary):
            yield _exchange(f"What does {docstring.name} do?", summary)


def _is_a_sentence(text: str) -> bool:
    return text.isascii() and text[0].isupper() and text.endswith(".") and len(text) in ANSWER_CHARACTERS


def _exchange(question: str, answer: str) -> str:
    return f"{QUESTION} {question}\n{ANSWER} {answer}"
