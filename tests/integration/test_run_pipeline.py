"""Any transformers pipeline by its name."""

import pytest

from actors.client import Client
from actors.demo.models import CLASSIFIER, EMBEDDING_MODEL, LANGUAGE_MODEL
from actors.errors import InvalidRequest
from actors.payloads import RunPipelineRequest


def test_a_pipeline_runs_by_its_task_name(client: Client) -> None:
    result = client.result(
        client.send("run_pipeline", task="text-classification", model=CLASSIFIER, inputs="import os")
    )

    assert result.output[0].keys() == {"label", "score"}
    assert result.metadata.model == CLASSIFIER


def test_tensors_come_back_as_lists(client: Client) -> None:
    message = client.send(
        "run_pipeline",
        task="feature-extraction",
        model=EMBEDDING_MODEL,
        inputs="a text",
        parameters={"return_tensors": True},
    )

    (tokens,) = client.result(message).output
    assert len(tokens[0]) == 384


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"task": "no-such-task", "inputs": "x"}, "task='no-such-task' is not known; known are"),
        ({"task": "image-text-to-text", "inputs": "x"}, "takes inputs that are not accepted"),
        ({"task": "text-classification", "inputs": {"nonsense": 1}}, "refused its inputs"),
        (
            {"task": "text-generation", "inputs": "x", "parameters": {"trust_remote_code": True}},
            "trust_remote_code is not accepted",
        ),
        (
            {"task": "text-generation", "inputs": "x", "parameters": {"custom_generate": "/tmp"}},
            "custom_generate is not accepted",
        ),
    ],
)
def test_what_a_pipeline_cannot_take_is_refused(client: Client, fields: dict[str, object], complaint: str) -> None:
    model = LANGUAGE_MODEL if fields["task"] == "text-generation" else CLASSIFIER

    with pytest.raises(InvalidRequest, match=complaint):
        client.result(client.send("run_pipeline", model=model, **fields))


@pytest.mark.parametrize("task", ["automatic-speech-recognition", "image-classification", "audio-classification"])
@pytest.mark.parametrize("inputs", ["http://127.0.0.1/x", "/etc/hostname", {"url": "http://127.0.0.1/x"}, 5])
def test_a_path_or_an_address_is_never_opened(task: str, inputs: object) -> None:
    from actors.engine.tasks.run_pipeline import RunPipeline

    request = RunPipelineRequest(model="a/b", task=task, inputs=inputs)

    with pytest.raises(InvalidRequest, match="inputs must be"):
        RunPipeline().prepare(None, [request])
