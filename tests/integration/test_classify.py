"""Labels through the queue equal those of transformers' own pipeline."""

import pytest

from actors.client import Client
from actors.demo.models import CLASSIFIER, SHIPPED_MODELS

TEXTS = ["import os\nprint(os.getcwd())", "The for statement is used to iterate over the elements of a sequence."]


def _reference(text: str) -> list[dict[str, object]]:
    from transformers import pipeline

    return pipeline("text-classification", model=str(SHIPPED_MODELS / CLASSIFIER), top_k=None, device="cpu")([text])[0]


def test_labels_and_scores_equal_those_of_the_pipeline(client: Client) -> None:
    result = client.result(client.send("classify", model=CLASSIFIER, texts=TEXTS))

    for labels, text in zip(result.output, TEXTS, strict=True):
        expected = _reference(text)
        assert [entry["label"] for entry in labels] == [entry["label"] for entry in expected]
        assert [entry["score"] for entry in labels] == pytest.approx([entry["score"] for entry in expected], abs=1e-5)


def test_top_k_keeps_the_most_probable_labels(client: Client) -> None:
    result = client.result(client.send("classify", model=CLASSIFIER, texts=TEXTS, top_k=1))

    assert [len(labels) for labels in result.output] == [1, 1]


def test_a_generator_is_no_classifier(client: Client) -> None:
    from actors.demo.models import EMBEDDING_MODEL
    from actors.errors import ModelRefused

    with pytest.raises(ModelRefused, match="is not a text classifier"):
        client.result(client.send("classify", model=EMBEDDING_MODEL, texts=TEXTS))
