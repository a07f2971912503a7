"""A worker whose models come from MODEL_MANAGER_URL alone."""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy
import pytest

from actors.broker import create_broker
from actors.client import Client
from actors.demo.models import CLASSIFIER, EMBEDDING_MODEL
from settings.config import Settings
from tests.integration.reference import sentence_vectors
from tests.model_store.hub_server import HubServer
from tests.workers import Workers

TEXTS = ["A sentence.", "Another one."]

#: Loaded by every Python at its start: refuses connections to all but some ports, and leaves a line for each refused.
GUARD = """
import os, sys

def refuse(event, arguments):
    if event not in ("socket.connect", "socket.getaddrinfo"):
        return
    address = arguments[1] if event == "socket.connect" else arguments[:2]
    if isinstance(address, tuple) and str(address[1]) not in os.environ["ALLOWED_PORTS"].split():
        with open(os.environ["REFUSED_FILE"], "a") as refused:
            refused.write(f"{event} {address}\\n")
        raise OSError(f"the test allows no connection to {address}")

sys.addaudithook(refuse)
"""


@pytest.fixture
def hub(model_folder: Path) -> Iterator[HubServer]:
    with HubServer(model_folder) as server:
        yield server


def test_a_worker_serves_from_the_server_alone_and_connects_to_nothing_else(
    settings: Settings, hub: HubServer, tmp_path: Path
) -> None:
    (tmp_path / "guard").mkdir()
    (tmp_path / "guard/sitecustomize.py").write_text(GUARD, encoding="utf-8")
    ports = f"{urlsplit(settings.redis_url).port} {urlsplit(hub.url).port}"
    environment = {
        "MODEL_MANAGER_URL": hub.url,
        "MODEL_MANAGER_REGISTER": "1",
        "PYTHONPATH": f"{tmp_path / 'guard'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        "ALLOWED_PORTS": ports,
        "REFUSED_FILE": str(tmp_path / "refused"),
    }
    client = Client(settings, create_broker(settings))
    with Workers(settings, tmp_path, "-p", "1", **environment) as workers:
        (record,) = workers.wait_until_ready()

        result = client.result(client.send("embed", model=EMBEDDING_MODEL, texts=TEXTS), timeout=60)
        labels = client.send("run_pipeline", task="text-classification", model=CLASSIFIER, inputs=["import os"])
        client.result(labels, timeout=60)
        workers.stop()

    assert result.metadata.revision == hub.commit(EMBEDDING_MODEL)
    assert numpy.abs(numpy.array(result.output) - sentence_vectors(TEXTS)).max() < 1e-5
    assert not (tmp_path / "refused").exists(), (tmp_path / "refused").read_text()
    # Whether it is taken depends on whether the device tells its memory.
    path, fields = hub.manager.posts[0]
    assert (path, fields["id"]) == ("/workers/", record.worker_id.replace(".", "-"))
