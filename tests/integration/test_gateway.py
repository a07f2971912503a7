"""What a gateway pays for `import actors`, and the door without our code."""

import subprocess
import sys

import dramatiq
import pytest
import redis

from actors.client import AsyncClient, Client
from actors.demo.models import CLASSIFIER
from settings import keys
from settings.config import Settings
from tests.conftest import Cluster

TEXT = ["import os\n\n\ndef main():\n    print(os.getcwd())\n"]


def test_importing_the_actors_brings_no_torch() -> None:
    code = "import actors, actors.client, sys; print({'torch', 'transformers', 'textual'} & set(sys.modules))"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


def test_a_gateway_stays_below_eighty_megabytes() -> None:
    code = "import actors.client, psutil; print(psutil.Process().memory_info().rss)"

    memory = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout)

    assert memory < 80_000_000


def test_importing_the_actors_starts_nothing_and_connects_nowhere(settings: Settings, queue_redis: redis.Redis) -> None:
    code = "import actors, threading; print(threading.active_count())"

    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert answer.stdout == "1\n"
    assert not settings.state_dir.exists()
    assert not queue_redis.exists(f"{keys.DRAMATIQ_NAMESPACE}:__heartbeats__")


def test_an_actor_is_sent_as_dramatiq_does_it(settings: Settings, cluster: Cluster) -> None:
    code = (
        "from actors import classify\n"
        f"message = classify.send(model={CLASSIFIER!r}, texts={TEXT!r})\n"
        "print(message.get_result(block=True, timeout=9000)['output'][0][0]['label'])"
    )
    environment = {"REDIS_URL": str(cluster.settings.redis_url)}

    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)

    assert "python" in answer.stdout, answer.stderr


def test_a_message_of_plain_dramatiq_is_answered(client: Client, cluster: Cluster) -> None:
    from dramatiq.brokers.redis import RedisBroker

    plain = RedisBroker(url=str(cluster.settings.redis_url), middleware=[])
    message = dramatiq.Message(
        queue_name="inference",
        actor_name="classify",
        args=(),
        kwargs={"model": CLASSIFIER, "texts": TEXT},
        options={},
    )

    plain.enqueue(message)

    assert client.result(message).output


async def test_five_hundred_tasks_are_awaited_on_one_client(async_client: AsyncClient) -> None:
    import asyncio

    async def ask(number: int) -> str:
        message = await async_client.send("classify", model=CLASSIFIER, texts=[f"import os; print({number})"], top_k=1)
        return (await async_client.result(message)).output[0][0]["label"]

    labels = await asyncio.gather(*(ask(number) for number in range(500)))

    assert len(labels) == 500
    assert len(set(labels)) == 1


def test_a_result_can_be_read_again(client: Client) -> None:
    message = client.send("classify", model=CLASSIFIER, texts=TEXT)

    assert client.result(message) == client.result(message)


@pytest.mark.parametrize("name", ["broker", "classify", "embed", "generate", "publish_cluster_health", "run_pipeline"])
def test_the_package_names_its_actors(name: str) -> None:
    import actors

    assert name in actors.__all__
    assert hasattr(actors, name)
