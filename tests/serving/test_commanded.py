"""What an operator tells a worker is done whole and in time, or not at all."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from actors.context import DeviceWorker
from actors.demo.models import CLASSIFIER
from actors.devices.backend import DeviceMemory, DeviceName
from actors.engine.engine import Engine
from actors.payloads import parse_command
from actors.queueing.restraint import Restraint
from actors.serving.commanded import Commanded
from settings.config import Settings
from settings.worker_commands import CommandOutcome
from tests.waiting import wait_until

SECONDS = 60.0

Command = Callable[..., CommandOutcome]


@pytest.fixture
def engine(tmp_path: Path, model_folder: Path) -> Iterator[Engine]:
    """One that unloads each model as soon as nothing needs it."""
    settings = Settings(_env_file=None, model_manager_path=model_folder, state_dir=tmp_path, keep_alive="0")
    engine = Engine(DeviceName("cpu", 0), settings)
    engine.start()
    yield engine
    engine.stop()


@pytest.fixture
def command(engine: Engine) -> Command:
    """Carries out a command, as the worker of that engine."""
    no_tasks: Any = ()
    worker = DeviceWorker("gpu-1-7", engine._thread.device, engine, no_tasks)
    commanded = Commanded(worker, worker.worker_id, Restraint(), lambda: None)

    def carry_out(action: str, seconds: float = SECONDS, **fields: Any) -> CommandOutcome:
        return commanded.carry_out(parse_command({"worker_id": "gpu-1-7", "action": action, **fields}), seconds)

    return carry_out


def _models(engine: Engine) -> list[tuple[str, bool]]:
    """What the device thread sees, once it has done what was asked of it before."""
    return engine.between_batches(lambda cache: [(each.key.name, each.is_pinned) for each in cache.models]).result()


def test_a_model_that_is_pinned_stays_where_others_are_unloaded_at_once(engine: Engine, command: Command) -> None:
    outcome = command("pin", model=CLASSIFIER)

    assert outcome.text == "loaded and pinned"
    assert [model.partition("@")[0] for model in outcome.models] == [CLASSIFIER]
    assert _models(engine) == [(CLASSIFIER, True)]
    command("unpin", model=CLASSIFIER)
    wait_until(lambda: not engine.status().models, "the model is unloaded")


@pytest.mark.parametrize("action", ["unload", "unpin"])
def test_what_was_not_done_in_time_is_not_done_later(engine: Engine, command: Command, action: str) -> None:
    command("pin", model=CLASSIFIER)
    may_go_on = threading.Event()
    busy = engine.between_batches(lambda _: may_go_on.wait(SECONDS))

    with pytest.raises(TimeoutError):
        command(action, 0.05, model=CLASSIFIER)

    may_go_on.set()
    assert busy.result(SECONDS)
    assert _models(engine) == [(CLASSIFIER, True)]


def test_a_model_is_not_pinned_by_a_command_that_came_too_late(engine: Engine, command: Command) -> None:
    command("load", model=CLASSIFIER, keep_alive=3600)
    may_go_on = threading.Event()
    engine.between_batches(lambda _: may_go_on.wait(SECONDS))

    with pytest.raises(TimeoutError):
        command("pin", 0.05, model=CLASSIFIER)

    may_go_on.set()
    assert _models(engine) == [(CLASSIFIER, False)]


def test_a_command_that_the_device_has_just_begun_is_waited_for(
    engine: Engine, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: Future[tuple[str, ...]] = Future()
    begun.set_running_or_notify_cancel()
    monkeypatch.setattr(engine, "hold", lambda action, model: begun)
    threading.Timer(0.2, begun.set_result, [(CLASSIFIER,)]).start()

    assert command("unload", 0.01, model=CLASSIFIER).models == (CLASSIFIER,)


def test_the_systems_word_counts_where_a_library_says_that_nothing_is_taken(
    engine: Engine, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = DeviceMemory(used=9_000, allocated=0, used_by_process=4_000)
    monkeypatch.setattr(type(engine._thread.device), "memory", lambda device: memory)

    outcome = command("load", model=CLASSIFIER)

    assert (outcome.memory_before, outcome.memory_after) == (4_000, 4_000)
