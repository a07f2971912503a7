"""A caller asks where its tasks are: one that waits, one that runs, one that has ended, and one that nobody sent."""

from actors.client import AsyncClient, Client
from actors.demo.models import LANGUAGE_MODEL
from settings import keys
from settings.config import Settings
from settings.connections import queue_client
from settings.explanation import Ended, Explanation, Running, Waiting
from settings.footprints import LAST_FOOTPRINT
from tests.conftest import Cluster
from tests.waiting import wait_until

#: Half a second of generation, which keeps the device from anything else.
LONG = {"model": LANGUAGE_MODEL, "prompt": "A list is", "max_new_tokens": 240, "temperature": 0}


def _worker_id(settings: Settings) -> str:
    with queue_client(settings) as queues:
        (worker_id,) = queues.zrange(keys.WORKERS, 0, -1)
    return worker_id.decode()


def test_a_running_task_runs_on_its_worker_and_then_has_ended(client: Client, cluster: Cluster) -> None:
    message = client.send("generate", stream=True, **LONG)
    next(client.stream(message))

    running = client.explain(message)
    client.result(message)
    ended = client.explain(message)

    assert isinstance(running.place, Running)
    assert running.place.worker_id == _worker_id(cluster.settings)
    assert ended.place == Ended()
    assert ended.text == "has succeeded; its result is stored"


def test_a_task_that_no_worker_has_room_for_waits_with_a_position(client: Client, cluster: Cluster) -> None:
    running = client.send("generate", stream=True, **LONG)
    next(client.stream(running))
    # A seed makes each a batch of its own; the worker has room for 64, so the last ones wait in the lane.
    sent = [client.send("generate", seed=seed, **LONG) for seed in range(70)]

    explained = client.explain(sent[-1])

    assert isinstance(explained.place, Waiting)
    assert explained.place.position == explained.place.depth
    assert explained.place.lane == f"inference.normal.{LANGUAGE_MODEL}"
    assert [worker.worker_id for worker in explained.workers] == [_worker_id(cluster.settings)]
    for message in sent:
        client.cancel(message)
    client.result(running)


def test_a_failed_task_has_ended_with_its_error(client: Client) -> None:
    message = client.send("embed", model="org/no-such-model", texts=["a text"])
    wait_until(lambda: client.explain(message).place.state == "ended", "it has ended")

    place = client.explain(message).place

    assert isinstance(place, Ended)
    assert place.failure == "ModelNotFound"


async def test_asyncio_gateways_ask_the_same(async_client: AsyncClient) -> None:
    message = await async_client.send("generate", **LONG | {"max_new_tokens": 1})
    await async_client.result(message)

    explained: Explanation = await async_client.explain(message)

    assert explained.place == Ended()


def test_a_worker_remembers_how_big_a_model_was(client: Client, cluster: Cluster) -> None:
    client.result(client.send("generate", **LONG | {"max_new_tokens": 1}))

    with queue_client(cluster.settings) as queues:
        wait_until(lambda: queues.exists(keys.footprint(LANGUAGE_MODEL)), "the worker has said it")
        assert int(queues.hget(keys.footprint(LANGUAGE_MODEL), LAST_FOOTPRINT)) > 0
        assert queues.ttl(keys.footprint(LANGUAGE_MODEL)) > 0
