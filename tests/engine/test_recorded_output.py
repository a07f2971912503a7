"""What the demo's models answer, as it was recorded: the same with each torch and transformers that is supported."""

from pathlib import Path
from typing import Any

import pytest

from actors.demo.models import CLASSIFIER, EMBEDDING_MODEL, LANGUAGE_MODEL
from actors.devices.backend import DeviceName
from actors.engine.engine import Engine
from actors.payloads import parse_request
from settings.config import Settings
from tests.workers import TEST_DEVICE

TEXT = (
    ' is executed. The "finally" clause is executed in the exception handled, and the "finally" clause, or "finally"'
    ' clause.\nThe "finally" clause\n'
)
LABEL, SCORE = "python code", 0.9983
VECTOR_START = [0.0151103, 0.0947035, 0.0018041, 0.0807530]


def test_the_models_answer_what_was_recorded(model_folder: Path, tmp_path: Path) -> None:
    settings = Settings(_env_file=None, model_manager_path=model_folder, state_dir=tmp_path, model_dtype="float32")
    engine = Engine(DeviceName.parse(TEST_DEVICE), settings)
    engine.start()

    def answer(task: str, **fields: object) -> Any:
        job = engine.plan(task, parse_request(task, fields), timeout_seconds=60)
        engine.submit([job])
        job.future.result()
        return engine.finish(job)

    try:
        greedy = {"prompt": "The for statement", "max_new_tokens": 40, "temperature": 0}
        written = answer("generate", model=LANGUAGE_MODEL, **greedy)
        labels = answer("classify", model=CLASSIFIER, texts=["import os"])
        vectors = answer("embed", model=EMBEDDING_MODEL, texts=["A sentence."])
    finally:
        engine.stop()

    assert written["text"] == TEXT
    assert (labels[0][0]["label"], labels[0][0]["score"]) == (LABEL, pytest.approx(SCORE, abs=1e-4))
    assert vectors[0][: len(VECTOR_START)] == pytest.approx(VECTOR_START, abs=1e-5)
