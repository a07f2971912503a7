"""The periodic jobs are sent by periodiq's own scheduler, and by ours where periodiq cannot run."""

import os
import subprocess
import sys
from pathlib import Path

import pendulum
import pytest
import redis

from settings import keys
from settings.config import Settings
from tests.waiting import wait_until


def test_periodiq_sends_the_health_job(settings: Settings, queue_redis: redis.Redis, tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("periodiq")), "actors"]
    scheduler = subprocess.Popen(command, env=dict(os.environ), cwd=tmp_path, stderr=subprocess.DEVNULL)

    # It sends this minute's jobs at once, unless the minute is nearly over.
    wait_until(lambda: queue_redis.llen(keys.ready(keys.CONTROL_QUEUE)) == 1, "the job is queued")

    scheduler.terminate()
    scheduler.wait()


def test_our_scheduler_ends_when_it_is_asked_to(settings: Settings, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "actors.scheduler"]
    scheduler = subprocess.Popen(command, env=dict(os.environ), cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    assert scheduler.stderr is not None
    assert "Scheduling publish_cluster_health" in scheduler.stderr.readline()

    scheduler.terminate()

    assert scheduler.wait(timeout=10) == 0
    scheduler.stderr.close()


@pytest.fixture
def minute_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that is read a hundred milliseconds before the full minute, and just after it from then on."""
    readings = iter([pendulum.datetime(2026, 1, 1, 12, 0, 59, 900_000)])
    after = pendulum.datetime(2026, 1, 1, 12, 1, 0, 5_000)
    monkeypatch.setattr(pendulum, "now", lambda: next(readings, after))


@pytest.mark.usefixtures("minute_changes")
def test_our_scheduler_sends_a_job_when_its_minute_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    from actors.scheduler import PortableScheduler

    scheduler, sent = PortableScheduler(), []

    def note(actors: list[object], now: pendulum.DateTime) -> None:
        sent.append(([actor.actor_name for actor in actors], now.minute))
        scheduler.stop()

    monkeypatch.setattr(scheduler, "send_actors", note)

    scheduler.run()

    assert sent == [(["publish_cluster_health"], 1)]


@pytest.mark.usefixtures("minute_changes")
def test_our_scheduler_survives_a_redis_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    from actors.scheduler import PortableScheduler

    scheduler = PortableScheduler()

    def fail(actors: list[object], now: pendulum.DateTime) -> None:
        scheduler.stop()
        raise redis.ConnectionError("away")

    monkeypatch.setattr(scheduler, "send_actors", fail)

    scheduler.run()
