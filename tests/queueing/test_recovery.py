"""What dead processes held comes back to the queue, and what live ones hold does not."""

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import psutil
import pytest
import redis
from dramatiq import Message
from dramatiq.broker import MessageProxy
from dramatiq.common import current_millis, dq_name

from actors.broker import DEAD_MESSAGE_TTL_MS, HEARTBEAT_TIMEOUT_MS, create_broker
from actors.queueing.broker import ClusterBroker
from actors.queueing.consumer import WakingConsumer
from actors.queueing.quarantine import Quarantine
from actors.queueing.recovery import LOOK_SECONDS, REMEMBER_MS, SWEEP_SECONDS, TRIM_MS, Recovery, RecoveryThread
from actors.queueing.siblings import ProcessIdentity, this_host
from actors.queueing.signs_of_life import HEARTBEAT_SECONDS, SETTLING_MS, SignsOfLife
from settings import keys
from settings.config import Settings
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("forbids_keys")

QUEUE = keys.INFERENCE_QUEUE
HOST = "this-host"
LATER_MS = HEARTBEAT_TIMEOUT_MS + 1_000

#: The longest from a process' silence having lasted long enough until it is noticed, as the documentation promises.
NOTICED_SECONDS = 15


@pytest.fixture
def victim(settings: Settings) -> ClusterBroker:
    """The broker of a process that holds a message."""
    broker = declared(settings)
    broker.enqueue(task())
    assert len(broker.do_fetch(QUEUE, 1)) == 1
    return broker


@pytest.fixture
def survivor(settings: Settings) -> ClusterBroker:
    return declared(settings)


@pytest.fixture
def ended() -> ProcessIdentity:
    """A process that was there a moment ago."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = ProcessIdentity(process.pid, psutil.Process(process.pid).create_time())
    process.communicate()
    return identity


def declared(settings: Settings) -> ClusterBroker:
    broker = create_broker(settings)
    broker.declare_queue(QUEUE)
    return broker


def task() -> Message[None]:
    return Message(queue_name=QUEUE, actor_name="embed", args=(), kwargs={}, options={})


def next_of(consumer: WakingConsumer) -> MessageProxy | None:
    """What a consumer gives when it is woken."""
    consumer._arrival.set()
    return next(consumer)


def one_held(client: redis.Redis, broker: ClusterBroker) -> bytes:
    """The id of the one message that a process holds."""
    (held,) = client.smembers(keys.acks(broker.broker_id, QUEUE))
    return held


def later(milliseconds: int) -> Callable[[], int]:
    """A clock that stands so long after now."""
    then = current_millis() + milliseconds
    return lambda: then


def seconds_of(client: redis.Redis) -> int:
    """Redis' own clock."""
    seconds, _ = client.time()
    return seconds


def let_pass(client: redis.Redis, milliseconds: int, *silent: ClusterBroker) -> None:
    """As if these had not spoken for so long, by Redis' clock."""
    client.zadd(keys.ALIVE, {broker.broker_id: seconds_of(client) * 1000 - milliseconds for broker in silent})


def sweeper(broker: ClusterBroker, client: redis.Redis) -> Recovery:
    """One that has heard of Redis for long enough to judge who is silent."""
    recovery = Recovery(broker, HOST)
    recovery.register(ProcessIdentity.of_this_process())
    recovery._signs._unbroken_since_ms -= SETTLING_MS
    return recovery


def test_a_dead_siblings_messages_come_back_at_once(
    victim: ClusterBroker, survivor: ClusterBroker, ended: ProcessIdentity, queue_redis: redis.Redis
) -> None:
    Recovery(victim, HOST).register(ended)

    Recovery(survivor, HOST).recover()

    assert len(survivor.do_fetch(QUEUE, 1)) == 1
    assert queue_redis.scard(keys.acks(victim.broker_id, QUEUE)) == 0


def test_what_a_dead_process_held_goes_before_what_came_later_in_its_old_order(
    survivor: ClusterBroker, settings: Settings, ended: ProcessIdentity, queue_redis: redis.Redis
) -> None:
    victim = declared(settings)
    lane = "inference.normal.org/a"
    sent = [f"{number:032x}" for number in range(20)]
    queue_redis.sadd(keys.LANES, lane)
    for redis_id in sent:
        victim.do_enqueue(lane, redis_id, task().encode())
    assert len(victim.do_fetch(lane, 16)) == 16
    Recovery(victim, HOST).register(ended)

    Recovery(survivor, HOST).recover()

    assert queue_redis.lrange(keys.ready(lane), 0, -1) == [redis_id.encode() for redis_id in sent]


def test_what_a_process_fetched_with_its_last_breath_comes_back_too(
    victim: ClusterBroker, survivor: ClusterBroker, ended: ProcessIdentity
) -> None:
    recovery = Recovery(survivor, HOST)
    Recovery(victim, HOST).register(ended)
    recovery.recover()
    assert len(victim.do_fetch(QUEUE, 1)) == 1  # it was on its way to a Redis that stood still

    recovery.recover()

    assert len(survivor.do_fetch(QUEUE, 1)) == 1


def test_a_dead_sibling_is_forgotten_after_a_while(
    victim: ClusterBroker, survivor: ClusterBroker, ended: ProcessIdentity, queue_redis: redis.Redis
) -> None:
    clock = iter([0, 0, REMEMBER_MS - 1, REMEMBER_MS - 1, REMEMBER_MS, REMEMBER_MS])
    recovery = Recovery(survivor, HOST, now_ms=lambda: next(clock))
    Recovery(victim, HOST).register(ended)

    recovery.recover()
    recovery.recover()
    assert queue_redis.hlen(keys.brokers(HOST)) == 1

    recovery.recover()
    assert queue_redis.hlen(keys.brokers(HOST)) == 0
    assert queue_redis.zscore(keys.HEARTBEATS, victim.broker_id) is None


def test_a_process_is_known_to_its_siblings_before_it_takes_a_message(
    settings: Settings, queue_redis: redis.Redis
) -> None:
    broker, process = declared(settings), ProcessIdentity.of_this_process()
    broker.announce = lambda: Recovery(broker, HOST).register(process)

    broker.consume(QUEUE)

    assert queue_redis.hkeys(keys.brokers(HOST)) == [broker.broker_id.encode()]


def test_a_death_with_inference_tasks_in_hand_is_evidence_about_its_device(
    survivor: ClusterBroker, settings: Settings, ended: ProcessIdentity, queue_redis: redis.Redis
) -> None:
    for number in range(3):
        victim = declared(settings)
        victim.enqueue(task())
        victim.do_fetch(QUEUE, 1)
        Recovery(victim, HOST).register(replace(ended, worker_id=f"gpu-{number}", device="gpu/cuda:0"))
        Recovery(survivor, HOST).recover()
        assert len(survivor.do_fetch(QUEUE, 1)) == 1
        survivor.do_ack(QUEUE, one_held(queue_redis, survivor))

    assert Quarantine(queue_redis, queue_redis).reason("gpu/cuda:0")


def test_a_death_with_nothing_in_hand_or_without_a_device_is_no_evidence(
    victim: ClusterBroker, survivor: ClusterBroker, settings: Settings, ended: ProcessIdentity, queue_redis: redis.Redis
) -> None:
    Recovery(victim, HOST).register(ended)
    Recovery(declared(settings), HOST).register(replace(ended, worker_id="gpu-1", device="gpu/cuda:0"))

    Recovery(survivor, HOST).recover()

    assert not list(queue_redis.scan_iter("cm:deaths:*"))


def test_a_dead_siblings_delayed_messages_come_back_at_once(
    survivor: ClusterBroker, settings: Settings, ended: ProcessIdentity
) -> None:
    victim = declared(settings)
    victim.enqueue(task(), delay=60_000)
    victim.do_fetch(dq_name(QUEUE), 1)
    Recovery(victim, HOST).register(ended)

    Recovery(survivor, HOST).recover()

    assert len(survivor.do_fetch(dq_name(QUEUE), 1)) == 1


def test_messages_of_a_lane_come_back_to_it(
    survivor: ClusterBroker, settings: Settings, ended: ProcessIdentity, queue_redis: redis.Redis
) -> None:
    queue_redis.sadd(keys.LANES, "a-lane")
    victim = declared(settings)
    victim.do_enqueue("a-lane", "an-id", task().encode())
    victim.do_fetch("a-lane", 1)
    Recovery(victim, HOST).register(ended)

    Recovery(survivor, HOST).recover()

    assert queue_redis.lrange(keys.ready("a-lane"), 0, -1) == [b"an-id"]


def test_a_process_whose_id_belongs_to_another_now_is_gone(victim: ClusterBroker, survivor: ClusterBroker) -> None:
    own = ProcessIdentity.of_this_process()
    Recovery(victim, HOST).register(ProcessIdentity(own.pid, own.created - 3600))

    Recovery(survivor, HOST).recover()

    assert len(survivor.do_fetch(QUEUE, 1)) == 1


def test_a_live_sibling_is_not_robbed_however_silent_it_is(
    victim: ClusterBroker, survivor: ClusterBroker, queue_redis: redis.Redis
) -> None:
    Recovery(victim, HOST).register(ProcessIdentity.of_this_process())
    let_pass(queue_redis, LATER_MS, victim)

    sweeper(survivor, queue_redis).recover()

    assert survivor.do_fetch(QUEUE, 1) == []


def test_a_message_that_was_acknowledged_does_not_come_back(
    victim: ClusterBroker, survivor: ClusterBroker, ended: ProcessIdentity, queue_redis: redis.Redis
) -> None:
    (held,) = queue_redis.smembers(keys.acks(victim.broker_id, QUEUE))
    Recovery(victim, HOST).register(ended)
    victim.do_ack(QUEUE, held)

    Recovery(survivor, HOST).recover()

    assert survivor.do_fetch(QUEUE, 1) == []


def test_a_process_of_another_host_is_given_its_time(
    victim: ClusterBroker, survivor: ClusterBroker, queue_redis: redis.Redis
) -> None:
    let_pass(queue_redis, HEARTBEAT_TIMEOUT_MS - 2_000, victim)

    sweeper(survivor, queue_redis).recover()

    assert survivor.do_fetch(QUEUE, 1) == []


def test_messages_of_a_silent_process_of_another_host_come_back(
    victim: ClusterBroker,
    survivor: ClusterBroker,
    ended: ProcessIdentity,
    queue_redis: redis.Redis,
    caplog: pytest.LogCaptureFixture,
) -> None:
    Recovery(victim, "another-host").register(ended)
    let_pass(queue_redis, LATER_MS, victim)

    with caplog.at_level("INFO"):
        sweeper(survivor, queue_redis).recover()

    assert len(survivor.do_fetch(QUEUE, 1)) == 1
    assert queue_redis.zscore(keys.HEARTBEATS, victim.broker_id) is None
    assert queue_redis.zscore(keys.ALIVE, victim.broker_id) is None
    assert f"Gave back 1 message(s) of a silent process ({victim.broker_id})." in caplog.messages


def test_a_process_of_plain_dramatiq_is_judged_by_dramatiqs_heartbeat(
    victim: ClusterBroker, survivor: ClusterBroker, queue_redis: redis.Redis
) -> None:
    queue_redis.zadd(keys.HEARTBEATS, {victim.broker_id: current_millis() - LATER_MS})

    sweeper(survivor, queue_redis).recover()

    assert len(survivor.do_fetch(QUEUE, 1)) == 1


def test_a_host_whose_clock_is_slow_is_not_robbed(
    victim: ClusterBroker, survivor: ClusterBroker, queue_redis: redis.Redis
) -> None:
    Recovery(victim, "another-host").register(ProcessIdentity.of_this_process())
    queue_redis.zadd(keys.HEARTBEATS, {victim.broker_id: current_millis() - LATER_MS})

    sweeper(survivor, queue_redis).recover()

    assert survivor.do_fetch(QUEUE, 1) == []


def test_a_host_whose_clock_is_fast_robs_nobody(
    victim: ClusterBroker, survivor: ClusterBroker, queue_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    Recovery(victim, "another-host").register(ProcessIdentity.of_this_process())
    fast = sweeper(survivor, queue_redis)
    fast_now = time.time() + LATER_MS / 1000
    monkeypatch.setattr("time.time", lambda: fast_now)

    fast.recover()

    assert survivor.do_fetch(QUEUE, 1) == []


def test_nobody_is_robbed_when_redis_was_away_for_a_minute(
    victim: ClusterBroker, survivor: ClusterBroker, queue_redis: redis.Redis
) -> None:
    recovery = sweeper(survivor, queue_redis)
    let_pass(queue_redis, LATER_MS, victim)
    recovery._signs._now_ms -= LATER_MS

    recovery.register(ProcessIdentity.of_this_process())
    recovery.recover()

    assert survivor.do_fetch(QUEUE, 1) == []
    assert not queue_redis.exists(keys.SWEEPER), "another may sweep"


def test_one_process_of_the_cluster_sweeps_at_a_time(
    victim: ClusterBroker, survivor: ClusterBroker, queue_redis: redis.Redis
) -> None:
    let_pass(queue_redis, LATER_MS, victim)
    queue_redis.set(keys.SWEEPER, "another", ex=60)

    sweeper(survivor, queue_redis).recover()

    assert survivor.do_fetch(QUEUE, 1) == []


def test_a_silence_that_has_lasted_long_enough_is_noticed_in_time(
    survivor: ClusterBroker, queue_redis: redis.Redis
) -> None:
    sweeper(survivor, queue_redis).recover()

    assert 0 < queue_redis.pttl(keys.SWEEPER) / 1000 + LOOK_SECONDS <= NOTICED_SECONDS


def test_a_message_that_was_given_away_and_comes_back_is_not_run_beside_itself(
    settings: Settings, queue_redis: redis.Redis
) -> None:
    broker = declared(settings)
    broker.enqueue(task())
    consumer = broker.consume(QUEUE, prefetch=2, timeout=10)
    running = next_of(consumer)
    assert running is not None
    broker.requeue_of(broker.broker_id, QUEUE, [one_held(queue_redis, broker).decode()])

    assert next_of(consumer) is None
    consumer.ack(running)

    assert next_of(consumer) is None
    assert not queue_redis.exists(keys.bodies(QUEUE)), "it is settled"
    broker.close()


def test_a_message_that_comes_back_after_its_acknowledgement_is_not_stranded(
    settings: Settings, queue_redis: redis.Redis
) -> None:
    broker = declared(settings)
    broker.enqueue(task())
    consumer = broker.consume(QUEUE, prefetch=2, timeout=10)
    first = next_of(consumer)
    held = one_held(queue_redis, broker)
    broker.requeue_of(broker.broker_id, QUEUE, [held.decode()])
    assert next_of(consumer) is None

    broker.held_ids(QUEUE).discard(held.decode())  # as if its thread had acknowledged it a moment before

    again = next_of(consumer)
    assert first is not None
    assert again is not None
    assert again.message_id == first.message_id
    broker.close()


def test_a_process_that_has_swept_does_not_ask_before_its_next_turn(
    survivor: ClusterBroker, queue_redis: redis.Redis
) -> None:
    recovery = sweeper(survivor, queue_redis)
    recovery.recover()
    queue_redis.delete(keys.SWEEPER)

    recovery.recover()
    assert not queue_redis.exists(keys.SWEEPER)

    recovery._now_ms = later(SWEEP_SECONDS * 1_000)
    recovery.recover()
    assert queue_redis.exists(keys.SWEEPER)


def test_an_idle_process_is_alive_for_plain_dramatiq_too(
    survivor: ClusterBroker, queue_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    signs = SignsOfLife(queue_redis, survivor.broker_id)
    signs.speak()
    assert queue_redis.zscore(keys.HEARTBEATS, survivor.broker_id) == queue_redis.zscore(keys.ALIVE, survivor.broker_id)
    queue_redis.delete(keys.HEARTBEATS, keys.ALIVE)

    signs.speak()
    assert queue_redis.exists(keys.ALIVE)
    assert not queue_redis.exists(keys.HEARTBEATS), "it said so a moment ago"

    monkeypatch.setattr(signs, "_heartbeat_at", 0.0)
    signs.speak()
    assert queue_redis.exists(keys.HEARTBEATS)
    assert survivor.heartbeat_timeout > HEARTBEAT_SECONDS * 3_000


def test_old_dead_letters_are_removed(victim: ClusterBroker, survivor: ClusterBroker, queue_redis: redis.Redis) -> None:
    (held,) = queue_redis.smembers(keys.acks(victim.broker_id, QUEUE))
    victim.do_nack(QUEUE, held)

    recovery = sweeper(survivor, queue_redis)
    recovery._now_ms = later(DEAD_MESSAGE_TTL_MS - TRIM_MS)
    recovery.recover()
    assert queue_redis.hlen(keys.dead_bodies(QUEUE)) == 1

    queue_redis.delete(keys.SWEEPER)
    recovery._now_ms = later(DEAD_MESSAGE_TTL_MS + 1_000)
    recovery.recover()
    assert (queue_redis.hlen(keys.dead_bodies(QUEUE)), queue_redis.zcard(keys.dead(QUEUE))) == (0, 0)


def test_a_process_that_ends_gives_back_what_it_holds(
    victim: ClusterBroker, survivor: ClusterBroker, queue_redis: redis.Redis
) -> None:
    thread = RecoveryThread(Recovery(victim, HOST), ProcessIdentity.of_this_process())
    thread.start()
    wait_until(lambda: queue_redis.hexists(keys.brokers(HOST), victim.broker_id), "the process is registered")

    thread.stop()

    assert len(survivor.do_fetch(QUEUE, 1)) == 1
    assert queue_redis.hlen(keys.brokers(HOST)) == 0


def test_the_register_of_a_host_that_is_gone_expires(victim: ClusterBroker, queue_redis: redis.Redis) -> None:
    Recovery(victim, HOST).register(ProcessIdentity.of_this_process())

    assert queue_redis.ttl(keys.brokers(HOST)) > 0


def test_processes_of_one_host_agree_on_its_name() -> None:
    command = "from actors.queueing.siblings import this_host; print(this_host())"
    other = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)

    assert other.stdout.strip() == this_host()
