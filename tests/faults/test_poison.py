"""A task that ends its process takes none of those along that were beside it."""

from collections import Counter
from pathlib import Path

import pytest

from actors.broker import create_broker
from actors.client import Client
from actors.errors import DeliveryLimitReached
from actors.queueing.deliveries import LIMIT
from settings.config import Settings
from tests.faults.cluster import Cluster
from tests.light_worker import leftovers
from tests.servers import RedisServer
from tests.stand_in_engine import POISON, RUNS_FILE
from tests.waiting import wait_until

NEIGHBOURS = 7

END_SECONDS = 60.0


@pytest.mark.timeout(120)
def test_the_neighbours_of_a_task_that_kills_its_process_each_time_end_well(
    own_redis: RedisServer, tmp_path: Path, repository: Path
) -> None:
    settings = Settings(_env_file=None, redis_url=own_redis.url, state_dir=tmp_path / "state")
    client, runs_file = Client(settings, create_broker(settings)), tmp_path / "runs"
    poison = client.send("classify", model="org/name", texts=[POISON])
    neighbours = [client.send("classify", model="org/name", texts=[str(number)]) for number in range(NEIGHBOURS)]

    environment = {RUNS_FILE: str(runs_file), "PYTHONPATH": str(repository)}
    with Cluster(1, settings, settings, tmp_path, **environment) as cluster:

        def have_ended() -> bool:
            cluster.replace_dead()
            return not leftovers(settings)

        wait_until(have_ended, "all have ended", END_SECONDS)

    labels = [client.result(message, timeout=1).output[0][0]["label"] for message in neighbours]
    assert labels == [str(number) for number in range(NEIGHBOURS)]
    with pytest.raises(DeliveryLimitReached, match=f"it was given to {LIMIT} worker processes that ended before"):
        client.result(poison, timeout=1)
    runs = Counter(runs_file.read_text().split())
    assert runs[POISON] == cluster.deaths == LIMIT
