"""Celery, one forward a task: `celery -A benchmarks.embedders.celery_app worker -c 1`."""

import os

from celery import Celery

app = Celery("peer", broker=os.environ["PEER_REDIS_URL"], backend=os.environ["PEER_REDIS_URL"])


@app.task
def embed(text: str) -> str:
    """One text to its vector."""
    from benchmarks.embedders import model

    return model.embed([text])[0]
