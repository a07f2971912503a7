"""Every mistake of a caller ends in one typed error, soon; the worker goes on."""

import re
import time
from pathlib import Path
from typing import Any

import dramatiq
import pytest

from actors.broker import create_broker
from actors.client import Client
from actors.demo.models import CLASSIFIER, EMBEDDING_MODEL, LANGUAGE_MODEL
from actors.errors import (
    ClusterError,
    InvalidRequest,
    ModelBroken,
    ModelNotFound,
    ModelRefused,
    RedisUnreachable,
    RequestTooLarge,
    ResultTimeout,
    UnknownActor,
)
from settings import keys
from settings.config import Settings
from tests.conftest import Cluster

#: A second, and what two busy cores may add.
SOON_SECONDS = 3.0


def _send_unchecked(cluster: Cluster, actor: str, **fields: Any) -> dramatiq.Message[Any]:
    """Sends as plain Dramatiq does, without the client's own checks."""
    message = dramatiq.Message(queue_name=keys.INFERENCE_QUEUE, actor_name=actor, args=(), kwargs=fields, options={})
    return create_broker(cluster.settings).enqueue(message)


def _failure(client: Client, message: dramatiq.Message[Any]) -> ClusterError:
    started = time.monotonic()
    with pytest.raises(ClusterError) as failure:
        client.result(message, timeout=30)
    assert time.monotonic() - started < SOON_SECONDS
    return failure.value


@pytest.mark.parametrize(
    ("actor", "fields", "complaint"),
    [
        ("embed", {"texts": ["a"]}, "embed: model is missing"),
        ("embed", {"model": "../../etc/passwd", "texts": ["a"]}, "a model is named org/name"),
        ("embed", {"model": "/etc/passwd", "texts": ["a"]}, "a model is named org/name"),
        ("embed", {"model": "C:\\models\\x", "texts": ["a"]}, "a model is named org/name"),
        ("embed", {"model": "org/na\0me", "texts": ["a"]}, "a model is named org/name"),
        ("embed", {"model": EMBEDDING_MODEL, "texts": []}, "0 texts were given"),
        ("embed", {"model": EMBEDDING_MODEL, "texts": ["a", ""]}, r"texts\[1\]=''"),
        ("embed", {"model": EMBEDDING_MODEL, "texts": ["a", 5]}, r"texts\[1\]=5"),
        ("embed", {"model": EMBEDDING_MODEL, "texts": "a"}, "texts='a': a list is needed"),
        ("embed", {"model": EMBEDDING_MODEL, "texts": ["x" * 1_000_000]}, "1,000,000 characters"),
        ("embed", {"model": EMBEDDING_MODEL, "texts": ["x"] * 10_000}, "10,000 texts were given"),
        ("embed", {"model": EMBEDDING_MODEL, "texts": ["a"], "colour": "red"}, "colour='red': there is no such field"),
        ("generate", {"model": LANGUAGE_MODEL, "prompt": "a", "max_new_tokens": 0}, "max_new_tokens=0"),
        ("generate", {"model": LANGUAGE_MODEL, "prompt": "a", "temperature": float("nan")}, "temperature="),
        ("generate", {"model": LANGUAGE_MODEL, "prompt": "a", "temperature": "hot"}, "temperature='hot'"),
        ("generate", {"model": LANGUAGE_MODEL}, "give either `prompt` or `messages`"),
        ("classify", {"model": CLASSIFIER, "texts": ["a"], "top_k": 0}, "top_k=0"),
    ],
)
def test_a_wrong_field_is_answered_by_the_worker(
    client: Client, cluster: Cluster, actor: str, fields: dict[str, Any], complaint: str
) -> None:
    failure = _failure(client, _send_unchecked(cluster, actor, **fields))

    assert isinstance(failure, InvalidRequest)
    assert re.search(complaint, str(failure))
    assert len(str(failure)) < 400


def test_the_client_tells_a_wrong_field_before_it_sends(client: Client) -> None:
    with pytest.raises(InvalidRequest, match=r"texts\[0\]=5"):
        client.send("embed", model=EMBEDDING_MODEL, texts=[5])


def test_positional_arguments_are_refused(client: Client, cluster: Cluster) -> None:
    message = dramatiq.Message(queue_name=keys.INFERENCE_QUEUE, actor_name="embed", args=("x",), kwargs={}, options={})

    failure = _failure(client, create_broker(cluster.settings).enqueue(message))

    assert isinstance(failure, InvalidRequest)
    assert "keywords only" in str(failure)


def test_an_unknown_actor_is_answered(client: Client, cluster: Cluster) -> None:
    failure = _failure(client, _send_unchecked(cluster, "transmogrify", model="a/b"))

    assert isinstance(failure, UnknownActor)
    assert "there is no actor 'transmogrify'; there are classify, embed" in str(failure)


def test_the_client_knows_the_actors(client: Client) -> None:
    with pytest.raises(UnknownActor, match="transmogrify"):
        client.send("transmogrify", model="a/b")


def test_an_unknown_model_is_answered(client: Client) -> None:
    failure = _failure(client, client.send("embed", model="nobody/nothing", texts=["a"]))

    assert isinstance(failure, ModelNotFound)
    assert "nobody/nothing is not in the model store" in str(failure)


def test_an_unknown_revision_is_answered(client: Client) -> None:
    failure = _failure(client, client.send("embed", model=f"{EMBEDDING_MODEL}@v9", texts=["a"]))

    assert isinstance(failure, ModelNotFound)


def test_a_payload_over_the_limit_is_refused_by_client_and_worker(client: Client, cluster: Cluster) -> None:
    texts = ["x" * 50_000] * 100

    with pytest.raises(RequestTooLarge, match="at most 4,194,304 are accepted"):
        client.send("embed", model=EMBEDDING_MODEL, texts=texts)
    assert isinstance(_failure(client, _send_unchecked(cluster, "embed", model="a/b", texts=texts)), RequestTooLarge)


@pytest.fixture
def broken_model(model_folder: Path, own_models: Path, request: pytest.FixtureRequest) -> str:
    """A model of the shared worker's own folder, spoilt in one way; removed again afterwards."""
    name = f"broken/{request.node.name.replace('[', '-').rstrip(']').replace('_', '-')}"
    target = model_folder / name
    target.parent.mkdir(exist_ok=True)
    (own_models / CLASSIFIER).rename(target)
    return name


def test_only_pickled_weights_are_refused(client: Client, model_folder: Path, broken_model: str) -> None:
    weights = (model_folder / broken_model) / "model.safetensors"
    weights.rename(weights.with_name("pytorch_model.bin"))

    failure = _failure(client, client.send("classify", model=broken_model, texts=["a"]))

    assert isinstance(failure, ModelRefused)
    assert "pytorch_model.bin" in str(failure)
    assert "convert it to safetensors" in str(failure)


def test_a_broken_config_is_told(client: Client, model_folder: Path, broken_model: str) -> None:
    ((model_folder / broken_model) / "config.json").write_text("{ this is not JSON")

    failure = _failure(client, client.send("classify", model=broken_model, texts=["a"]))

    assert isinstance(failure, ModelBroken)
    assert "config.json cannot be read" in str(failure)


def test_truncated_weights_are_told_with_both_sizes(client: Client, model_folder: Path, broken_model: str) -> None:
    weights = (model_folder / broken_model) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])

    failure = _failure(client, client.send("classify", model=broken_model, texts=["a"]))

    assert isinstance(failure, ModelBroken)
    assert "bytes instead of" in str(failure)


def test_a_config_of_no_known_model_is_told(client: Client, model_folder: Path, broken_model: str) -> None:
    ((model_folder / broken_model) / "config.json").write_text('{"model_type": "abacus"}')

    failure = _failure(client, client.send("classify", model=broken_model, texts=["a"]))

    assert isinstance(failure, ModelBroken)
    assert "cannot be loaded" in str(failure)


def test_after_all_mistakes_the_worker_answers_the_next_task(client: Client) -> None:
    assert client.result(client.send("classify", model=CLASSIFIER, texts=["import os"])).output


def test_no_caller_text_is_in_the_workers_log(client: Client, cluster: Cluster) -> None:
    secret = "the caller's own secret words"

    _failure(client, _send_unchecked(cluster, "nonsense", texts=[secret]))
    last = _send_unchecked(cluster, "embed", model="nobody/nothing", texts=[secret])
    cluster.workers.wait_until_logged(f"{last.message_id} failed")

    assert secret not in cluster.workers.log


def test_no_mistake_left_a_traceback_in_the_workers_log(client: Client, cluster: Cluster) -> None:
    before = len(cluster.workers.log)

    _failure(client, _send_unchecked(cluster, "embed", model=5))
    last = client.send("embed", model="nobody/nothing", texts=["a"])
    cluster.workers.wait_until_logged(f"{last.message_id} failed")

    assert "Traceback" not in cluster.workers.log[before:]


def test_a_gateway_without_redis_is_told_at_once(tmp_path: Path) -> None:
    nowhere = Settings(_env_file=None, redis_url="redis://127.0.0.1:1/0", state_dir=tmp_path)
    client = Client(nowhere, create_broker(nowhere))
    started = time.monotonic()

    with pytest.raises(RedisUnreachable, match="REDIS_URL"):
        client.send("embed", model=EMBEDDING_MODEL, texts=["a"])

    assert time.monotonic() - started < 1


def test_a_result_that_does_not_come_ends_in_the_callers_timeout(client: Client, cluster: Cluster) -> None:
    message = client.message("embed", model=EMBEDDING_MODEL, texts=["never sent"])
    started = time.monotonic()

    with pytest.raises(ResultTimeout, match=r"has no result after 0\.3 s"):
        client.result(message, timeout=0.3)

    assert time.monotonic() - started < 1
