"""Plain Dramatiq, one forward a task: `dramatiq benchmarks.embedders.dramatiq_app --processes 1`."""

import os

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

URL = os.environ["PEER_REDIS_URL"]

broker = RedisBroker(url=URL)
# redis-py's own five seconds are less than a blocking read waits while the first task loads the model.
results = RedisBackend(client=redis.Redis.from_url(URL, socket_timeout=None))
broker.add_middleware(Results(backend=results, store_results=True))
dramatiq.set_broker(broker)


@dramatiq.actor
def embed(text: str) -> str:
    """One text to its vector."""
    from benchmarks.embedders import model

    return model.embed([text])[0]
