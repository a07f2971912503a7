"""Devices that take no inference tasks for a while. Kept in Redis: an end of the process does not lift it."""

import json
import logging
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import cast

import redis

from actors.queueing.deliveries import forgive, histories_of
from actors.queueing.device_faults import WINDOW_SECONDS, Death, is_device_at_fault, latest
from settings import keys

logger = logging.getLogger(__name__)

#: How long a quarantine lasts, unless an operator deletes its key.
QUARANTINE_SECONDS = 600


class Quarantine:
    """Evidence against devices and what follows from it; a device is called HOST/NAME."""

    def __init__(self, client: redis.Redis, results: redis.Redis) -> None:
        """`results` has the histories of the tasks."""
        self._client, self._results = client, results

    def note_death(self, device: str, death: Death) -> None:
        """Adds a death to the evidence, once however often siblings tell of it: the first knew what it had in hand.

        What waited to be run alone had no part in it. When processes ended on several devices with one task in hand,
        that tells nothing against any of these devices.
        """
        death, devices = self._with_what_it_ran(death)
        if not death.tasks:
            return
        if others := devices - {device}:
            for other in others:
                self._take_back(keys.deaths(other), death.tasks)
            return
        key = keys.deaths(device)
        self._client.hsetnx(key, death.worker_id, json.dumps({**vars(death), "tasks": sorted(death.tasks)}))
        self._client.expire(key, int(WINDOW_SECONDS))
        deaths = self._deaths(key)
        if is_device_at_fault(deaths):
            self._acquit_tasks(key, latest(deaths))
            self.impose(device, _evidence(latest(deaths)))
        elif old := {death.worker_id for death in deaths} - {death.worker_id for death in latest(deaths)}:
            self._client.hdel(key, *old)

    def impose(self, device: str, reason: str) -> None:
        """Keeps a device from inference tasks from now on."""
        self._client.set(keys.quarantine(device), reason, ex=QUARANTINE_SECONDS)
        logger.error("%s is in quarantine for %d s: %s.", device, QUARANTINE_SECONDS, reason)

    def reason(self, device: str) -> str | None:
        """Why a device is in quarantine, None when it is not."""
        reason = cast("bytes | None", self._client.get(keys.quarantine(device)))
        return reason.decode(errors="replace") if reason is not None else None

    def _with_what_it_ran(self, death: Death) -> tuple[Death, set[str]]:
        """The death with the tasks that were begun, and all devices that have been given these."""
        histories = histories_of(self._results, death.tasks)
        ran = {
            task: history
            for task, history in histories.items()
            if not history or history[-1].worker_id == death.worker_id
        }
        return replace(death, tasks=ran.keys()), {each.device for history in ran.values() for each in history}

    def _take_back(self, key: str, tasks: Collection[str]) -> None:
        for death in self._deaths(key):
            if set(death.tasks) & set(tasks):
                self._client.hdel(key, death.worker_id)

    def _deaths(self, key: str) -> list[Death]:
        entries = cast("dict[bytes, bytes]", self._client.hgetall(key))
        return [Death(**json.loads(entry)) for entry in entries.values()]

    def _acquit_tasks(self, key: str, deaths: Sequence[Death]) -> None:
        """These deaths were the device's fault: they do not count against the tasks, nor against it once more."""
        tasks = {task for death in deaths for task in death.tasks}
        forgive(self._results, tasks, {death.worker_id for death in deaths})
        self._client.delete(key)


def _evidence(deaths: Sequence[Death]) -> str:
    return f"{len(deaths)} processes ended on it with no task in common: " + "; ".join(map(_described, deaths))


def _described(death: Death) -> str:
    when = time.strftime("%H:%M:%S UTC", time.gmtime(death.at))
    return f"{death.worker_id} at {when} with {len(death.tasks)} task(s)"
