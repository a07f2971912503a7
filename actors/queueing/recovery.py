"""Gives back what processes held that have ended without acknowledging it.

Dramatiq's own maintenance does so by chance, one queue at a time, and looks for ack sets with KEYS; it is turned off.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import redis
from dramatiq.common import current_millis, dq_name

from actors.queueing.broker import ClusterBroker
from actors.queueing.device_faults import Death
from actors.queueing.quarantine import Quarantine
from actors.queueing.results import result_backend
from actors.queueing.siblings import ProcessIdentity, Siblings
from actors.queueing.signs_of_life import SignsOfLife
from settings import keys

logger = logging.getLogger(__name__)

#: Between two looks at this host's processes.
LOOK_SECONDS = 3.0

#: Between two renewals of a process's entry, which lasts for a day.
RENEW_SECONDS = 3_600

#: The shortest time between two sweeps after the silent processes of all hosts; a look later, at most, there is one.
SWEEP_SECONDS = 12

#: The shortest time between two looks of a process for old dead letters, which are kept for a day.
TRIM_MS = 60_000

#: How long a process that ended is remembered: what it sent last may still be on its way to a Redis that stands still,
#: and a fetch among it takes messages for a process that is gone.
REMEMBER_MS = 15_000

#: The most silent processes, and the most dead letters of a list, that one sweep takes; the next goes on.
SWEEP_SIZE = 500


class Recovery:
    """What one process does for the dead; safe to do in any number of processes at once."""

    def __init__(self, broker: ClusterBroker, host: str, now_ms: Callable[[], int] = current_millis) -> None:
        self._broker, self._client, self._now_ms = broker, broker.client, now_ms
        self._siblings, self._signs = Siblings(broker.client, host), SignsOfLife(broker.client, broker.broker_id)
        self._renew_at, self._sweep_at_ms, self._trim_at_ms = 0.0, 0, 0
        self._gone_since_ms: dict[str, int] = {}
        self._quarantine = Quarantine(broker.client, result_backend(broker).client)

    def register(self, process: ProcessIdentity) -> None:
        """Tells the siblings which process this broker belongs to, and all hosts that it lives."""
        self._siblings.register(self._broker.broker_id, process)
        self._signs.speak()
        self._renew_at = time.monotonic() + RENEW_SECONDS

    def renew(self, process: ProcessIdentity) -> None:
        """Tells all hosts that this process lives, and its siblings of it again where its entry is old or lost."""
        if time.monotonic() < self._renew_at:
            self._signs.speak()
        else:
            self.register(process)

    def look_at_quarantine(self, device: str) -> None:
        """Lets this process's consumer know whether its device may take tasks."""
        self._broker.restraint.note_quarantine(device, self._quarantine.reason(device))

    def give_back_own(self) -> None:
        """At the end of a process: what its threads did not finish in time, and its entries."""
        self._give_back({self._broker.broker_id: "this process"})
        self._forget([self._broker.broker_id])

    def recover(self) -> None:
        """One look: the dead of this host at once, and now and then the silent of all hosts."""
        processes = self._siblings.processes()
        if self._broker.broker_id not in processes:
            self._renew_at = 0.0  # a Redis without persistence has lost it
        gone = {broker_id: process for broker_id, process in processes.items() if process.is_gone()}
        self._give_back({broker_id: f"process {process.pid} of this host" for broker_id, process in gone.items()}, gone)
        self._gone_since_ms = {broker_id: self._gone_since_ms.get(broker_id, self._now_ms()) for broker_id in gone}
        self._forget(
            broker_id for broker_id, since_ms in self._gone_since_ms.items() if self._now_ms() - since_ms >= REMEMBER_MS
        )
        if self._signs.may_judge and self._now_ms() >= self._sweep_at_ms and self._may_sweep():
            self._sweep(alive=processes.keys() - gone.keys())

    def _may_sweep(self) -> bool:
        """Takes the one turn of all processes; who has had it does not ask before the next."""
        is_mine = bool(self._client.set(keys.SWEEPER, self._broker.broker_id, nx=True, ex=SWEEP_SECONDS))
        if is_mine:
            self._sweep_at_ms = self._now_ms() + SWEEP_SECONDS * 1000
        return is_mine

    def _sweep(self, alive: Iterable[str]) -> None:
        """A process that is alive on this host is spared however silent it is: a driver's call may hold the GIL."""
        lost = self._signs.silent(self._broker.heartbeat_timeout, SWEEP_SIZE) - set(alive)
        self._give_back(dict.fromkeys(lost, "a silent process"))
        self._forget(lost)
        if self._now_ms() >= self._trim_at_ms:
            self._trim_dead_letters()
            self._trim_at_ms = self._now_ms() + TRIM_MS

    def _give_back(self, holders: Mapping[str, str], gone: Mapping[str, ProcessIdentity] | None = None) -> None:
        """Takes broker ids with words for the log, and the identities of those that are known to have died."""
        lists, gone = self._lists() if holders else [], gone or {}
        counts = {broker_id: self._give_back_one(broker_id, lists, gone.get(broker_id)) for broker_id in holders}
        for broker_id in filter(counts.get, counts):
            logger.info("Gave back %d message(s) of %s (%s).", counts[broker_id], holders[broker_id], broker_id)
        if any(counts.values()):
            self._ring()

    def _give_back_one(self, broker_id: str, lists: list[str], dead: ProcessIdentity | None) -> int:
        """Moves one process's ack sets back; returns how many messages it held."""
        with self._client.pipeline(transaction=False) as pipe:
            for name in lists:
                pipe.smembers(keys.acks(broker_id, name))
            held = {name: {each.decode() for each in ids} for name, ids in zip(lists, pipe.execute(), strict=True)}
        if dead:  # first: what another process takes up again may be refused for its history
            self._note_death(dead, held)
        for name, ids in held.items():
            if ids:
                self._broker.requeue_of(broker_id, name, ids)
        return sum(map(len, held.values()))

    def _note_death(self, dead: ProcessIdentity, held: Mapping[str, set[str]]) -> None:
        """A process that ended with inference tasks in hand is evidence against its device, or against one of them."""
        tasks = {redis_id for name, ids in held.items() if _is_inference(name) for redis_id in ids}
        if dead.device and dead.worker_id and tasks:
            self._quarantine.note_death(dead.device, Death(dead.worker_id, self._now_ms() / 1000, tasks))

    def _forget(self, broker_ids: Iterable[str]) -> None:
        """Last: until here the next look finds them again."""
        for broker_id in broker_ids:
            self._signs.forget(broker_id)
            self._siblings.remove(broker_id)

    def _trim_dead_letters(self) -> None:
        oldest_ms = self._now_ms() - self._broker.dead_message_ttl
        for name in self._lists():
            ids = cast(
                "list[bytes]", self._client.zrangebyscore(keys.dead(name), "-inf", oldest_ms, start=0, num=SWEEP_SIZE)
            )
            if ids:
                with self._client.pipeline(transaction=True) as pipe:
                    pipe.hdel(keys.dead_bodies(name), *(redis_id.decode() for redis_id in ids))
                    pipe.zrem(keys.dead(name), *ids)
                    pipe.execute()

    def _lists(self) -> list[str]:
        """Every list that a process may hold messages of: queues, also of other versions, their delays, lanes."""
        with self._client.pipeline(transaction=False) as pipe:
            pipe.smembers(keys.QUEUES)
            pipe.smembers(keys.LANES)
            served, lanes = ({name.decode() for name in names} for names in pipe.execute())
        queues = served | self._broker.get_declared_queues()
        return sorted(queues | {dq_name(queue) for queue in queues} | lanes)

    def _ring(self) -> None:
        for queue in self._broker.get_declared_queues():
            self._broker.doorbell.ring(queue)
            self._broker.doorbell.ring(dq_name(queue))


def _is_inference(name: str) -> bool:
    queue = keys.INFERENCE_QUEUE
    return name == queue or (name.startswith(f"{queue}.") and name != dq_name(queue))


class RecoveryThread(threading.Thread):
    """Looks every few seconds until it is stopped; outlives every failure of Redis."""

    def __init__(self, recovery: Recovery, process: ProcessIdentity) -> None:
        super().__init__(name="recovery", daemon=True)
        self._recovery, self._process = recovery, process
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            self.look()

    def look(self) -> None:
        """Looks once; before the start, so that nothing is taken for a device in quarantine."""
        self._attempt(self._look)

    def stop(self) -> None:
        """Ends the looks, and gives back what this process still holds."""
        self._stopped.set()
        self.join()
        self._attempt(self._recovery.give_back_own)

    def _look(self) -> None:
        self._recovery.renew(self._process)
        self._recovery.recover()
        if self._process.device:
            self._recovery.look_at_quarantine(self._process.device)

    @staticmethod
    def _attempt(step: Callable[[], Any]) -> None:
        try:
            step()
        except redis.RedisError as error:
            logger.debug("Nothing can be given back while Redis is away: %s", error)
        except Exception:
            logger.exception("What dead processes hold cannot be given back.")
