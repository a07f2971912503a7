"""What is known against a device is kept in Redis, and bounded."""

from itertools import product

import pytest
import redis

from actors.queueing.deliveries import Deliveries, Delivery
from actors.queueing.device_faults import DEATHS, WINDOW_SECONDS, Death
from actors.queueing.quarantine import QUARANTINE_SECONDS, Quarantine
from actors.queueing.restraint import Restraint
from settings import keys

DEVICE = "gpu-1/cuda:0"


@pytest.fixture
def quarantine(queue_redis: redis.Redis) -> Quarantine:
    return Quarantine(queue_redis, queue_redis)


def death(number: int, *tasks: str) -> Death:
    return Death(f"gpu-1-{number}", float(number), tasks)


def test_a_device_with_three_deaths_of_different_tasks_is_in_quarantine_for_a_while(
    quarantine: Quarantine, queue_redis: redis.Redis
) -> None:
    for number, task in enumerate("ab"):
        quarantine.note_death(DEVICE, death(number, task))
    assert quarantine.reason(DEVICE) is None

    quarantine.note_death(DEVICE, death(2, "c", "d"))

    reason = quarantine.reason(DEVICE)
    assert reason is not None
    assert "3 processes ended on it with no task in common: gpu-1-0 at 00:00:00 UTC with 1 task(s); " in reason
    assert reason.endswith("gpu-1-2 at 00:00:02 UTC with 2 task(s)")
    assert 0 < queue_redis.ttl(keys.quarantine(DEVICE)) <= QUARANTINE_SECONDS
    assert quarantine.reason("gpu-1/cuda:1") is None


def test_after_a_quarantine_the_evidence_is_gathered_anew(quarantine: Quarantine, queue_redis: redis.Redis) -> None:
    for number, task in enumerate("abc"):
        quarantine.note_death(DEVICE, death(number, task))
    queue_redis.delete(keys.quarantine(DEVICE))

    quarantine.note_death(DEVICE, death(3, "d"))

    assert quarantine.reason(DEVICE) is None


def test_a_death_that_several_siblings_tell_of_counts_once(quarantine: Quarantine) -> None:
    quarantine.note_death(DEVICE, death(0, "a"))
    for _ in range(DEATHS):
        quarantine.note_death(DEVICE, death(1, "b"))

    assert quarantine.reason(DEVICE) is None


def test_the_evidence_is_bounded_and_expires(quarantine: Quarantine, queue_redis: redis.Redis) -> None:
    for number in range(10):
        quarantine.note_death(DEVICE, death(number, "poison"))

    assert queue_redis.hlen(keys.deaths(DEVICE)) == DEATHS
    assert 0 < queue_redis.ttl(keys.deaths(DEVICE)) <= WINDOW_SECONDS


def test_what_waited_to_be_run_alone_had_no_part_in_a_death(quarantine: Quarantine, queue_redis: redis.Redis) -> None:
    deliveries = Deliveries(queue_redis)
    for task in "abc":
        deliveries.note(task, Delivery("gpu-1-0", DEVICE, 0.0))
    for number, task in enumerate("abc", start=1):
        deliveries.note(task, Delivery(f"gpu-1-{number}", DEVICE, 0.0))
        quarantine.note_death(DEVICE, death(number, *"abc"))

    assert quarantine.reason(DEVICE) is not None


def test_what_ended_through_the_devices_fault_does_not_count_against_the_tasks(
    quarantine: Quarantine, queue_redis: redis.Redis
) -> None:
    deliveries = Deliveries(queue_redis)
    deliveries.note("c", Delivery("gpu-1-9", DEVICE, 0.0))  # a death that nobody has told of
    for number, task in enumerate("abc"):
        deliveries.note(task, Delivery(f"gpu-1-{number}", DEVICE, 0.0))
        quarantine.note_death(DEVICE, death(number, task))

    assert [queue_redis.llen(keys.deliveries(task)) for task in "abc"] == [0, 0, 1]


def test_devices_on_which_several_poisonous_tasks_take_turns_stay_in_service(
    quarantine: Quarantine, queue_redis: redis.Redis
) -> None:
    deliveries, other = Deliveries(queue_redis), "gpu-2/cuda:0"
    for number, (task, device) in enumerate(product(["poison", "toxin", "venom"], [DEVICE, other, DEVICE])):
        deliveries.note(task, Delivery(f"gpu-1-{number}", device, 0.0))
        quarantine.note_death(device, death(number, task))

    assert quarantine.reason(DEVICE) is None
    assert quarantine.reason(other) is None


def test_a_quarantine_that_begins_and_ends_is_told_once_each(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    restraint = Restraint()

    for reason in (None, "broken", "broken", None, None):
        restraint.note_quarantine(DEVICE, reason)
        assert restraint.is_quarantined == (reason is not None)

    assert [record.getMessage() for record in caplog.records] == [
        "gpu-1/cuda:0 is in quarantine, no inference tasks are taken: broken.",
        "The quarantine of gpu-1/cuda:0 is over.",
    ]
