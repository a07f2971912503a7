import pytest

from monitor.core.words import narrow, unknown_fields

FIELDS = {"state": lambda row: row[0], "model": lambda row: row[1]}
ROWS = [("▲ late", "org/Chat-8b"), ("● busy", "org/late-bloomer"), ("○ idle", "BAAI/bge m3"), ("cuda:0", "")]


def found(typed: str) -> list[int]:
    """The places of the rows that a filter leaves."""
    return [ROWS.index(row) for row in narrow(ROWS, typed, FIELDS)]


@pytest.mark.parametrize(
    ("typed", "places"),
    [
        ("", [0, 1, 2, 3]),
        ("late", [0, 1]),
        ("LATE chat", [0]),
        ("late -chat", [1]),
        ("-late", [2, 3]),
    ],
)
def test_words_are_looked_for_anywhere(typed: str, places: list[int]) -> None:
    assert found(typed) == places


@pytest.mark.parametrize(
    ("typed", "places"),
    [
        ("state:late", [0]),
        ("State:Late", [0]),
        ("-state:late", [1, 2, 3]),
        ("model:late state:busy", [1]),
        ("model:late state:idle", []),
        ("-state:late -model:bge", [1, 3]),
    ],
)
def test_the_word_of_a_field_is_looked_for_there(typed: str, places: list[int]) -> None:
    assert found(typed) == places


@pytest.mark.parametrize(
    ("typed", "places"),
    [('"bge m3"', [2]), ('-"bge m3"', [0, 1, 3]), ('model:"bge m3"', [2]), ('"bge m', [2]), ('"late org"', [])],
)
def test_a_quoted_text_is_one_word_also_while_it_is_typed(typed: str, places: list[int]) -> None:
    assert found(typed) == places


@pytest.mark.parametrize("typed", ["-", '"', '""', "state:", "-state:", 'model:"'])
def test_what_is_still_to_be_typed_hides_nothing(typed: str) -> None:
    assert found(typed) == [0, 1, 2, 3]


def test_what_looks_like_a_field_and_is_none_is_text() -> None:
    assert found("cuda:0") == [3]
    assert found("-cuda:0") == [0, 1, 2]
    assert found("colour:late") == []
    assert unknown_fields('cuda:0 state:late -colour:red "quoted:text"', FIELDS) == ["cuda", "colour"]
