"""What an operator should look at, in plain sentences with the cause and what to do, worst first."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from monitor.core.formatting import format_age, format_bytes, format_count, format_memory, printable
from monitor.core.passive_workers import waiting_by_model, waiting_for
from monitor.core.snapshot import LaneView, Snapshot, WorkerView
from settings import keys
from settings.arriving import arriving_on
from settings.records import DeviceRecord, WorkerRecord

#: bad: work is lost or stands still; warn: it soon may.
Severity = Literal["bad", "warn"]

#: More than this share of a device's memory in use is told.
FULL_PERCENT = 95

#: More than this share of Redis' memory in use is told.
REDIS_FULL_PERCENT = 90

#: A host's clock may be off by so much; a beat on a slow link takes a while too.
CLOCK_SECONDS = 5.0

#: A model that is loaded so often in ten minutes is loaded in place of work.
THRASHING_LOADS = 6

#: A lane grows when its backlog rises by so many a minute while its first task has waited for so long.
GROWING_PER_MINUTE, GROWING_WAIT_SECONDS = 10.0, 10.0

#: So many troubles of one kind are shown one by one; more are one line.
MOST_OF_A_KIND = 3

#: The kinds in the order of their weight.
KINDS = (
    *("redis", "unserved", "lost", "quarantine", "dead", "stuck"),
    *("late", "passive", "paused", "growing", "thrash", "memory", "leak", "clock", "version"),
)

#: With these a queue stands still, and with it its lanes in which something waits.
STANDING_STILL = ("unserved", "paused")


@dataclass(frozen=True)
class Trouble:
    """Something that needs a look: `about` is the worker, lane or model that it is about."""

    severity: Severity
    kind: str
    about: str
    text: str
    others: int = 0
    """How many more of its kind it stands for; it tells of these alone then."""


def find_troubles(snapshot: Snapshot, task_seconds: float) -> tuple[Trouble, ...]:
    """Every trouble that a reading shows.

    Args:
      task_seconds: How long a task may run; one that runs longer is stuck.
    """
    found: dict[str, list[Trouble]] = defaultdict(list)
    for trouble in _all(snapshot, task_seconds):
        found[trouble.kind].append(trouble)
    folded = (trouble for kind in KINDS for trouble in _fold(found.get(kind, [])))
    return tuple(sorted(folded, key=lambda trouble: trouble.severity != "bad"))


def find_troubled(snapshot: Snapshot, task_seconds: float) -> dict[str, str]:
    """The kinds of the troubles of each worker, lane, queue and model; a lane that stands still has its queue's too."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for trouble in _all(snapshot, task_seconds):
        kinds[trouble.about].append(trouble.kind)
    still = {name: own for name, found in kinds.items() if (own := [kind for kind in found if kind in STANDING_STILL])}
    for lane in snapshot.lanes:
        if lane.queue in still and (lane.ready or lane.is_paused):
            kinds[lane.name] += still[lane.queue]
    return {name: " ".join(dict.fromkeys(found)) for name, found in kinds.items()}


def _fold(troubles: list[Trouble]) -> list[Trouble]:
    if len(troubles) <= MOST_OF_A_KIND:
        return troubles
    first, rest = troubles[0], len(troubles) - 1
    text = f"and {format_count(rest)} more like it ({', '.join(printable(each.about) for each in troubles[1:3])}, …)"
    return [first, Trouble(first.severity, first.kind, f"{rest} more", text, rest)]


def _all(snapshot: Snapshot, task_seconds: float) -> Iterator[Trouble]:
    yield from _of_redis(snapshot)
    yield from _of_queues(snapshot)
    for worker in snapshot.workers:
        yield from _of_worker(worker, task_seconds)
    yield from _of_passive(snapshot)
    yield from _of_lanes(snapshot)
    for name, who in snapshot.paused.items():
        waiting = sum(lane.ready for lane in snapshot.lanes if name in (lane.name, lane.queue))
        text = f"{_tasks(waiting)} wait because {who} paused it; P on the Queues page resumes it"
        yield Trouble("warn", "paused", name, text)
    for model, loads in snapshot.trends.loads.items():
        if loads >= THRASHING_LOADS:
            text = (
                f"loaded {loads} times in 10 min: the models in use do not fit into memory together; "
                "add a device, or raise SWAP_MAX_WAIT"
            )
            yield Trouble("warn", "thrash", model, text)


def _of_redis(snapshot: Snapshot) -> Iterator[Trouble]:
    if (server := snapshot.redis) is None or not server.memory_max:
        return
    if server.eviction_policy != "noeviction":
        text = f"maxmemory-policy is {server.eviction_policy}: when memory is full, tasks vanish; set noeviction"
        yield Trouble("bad", "redis", "redis", text)
    if 100 * server.memory_used > REDIS_FULL_PERCENT * server.memory_max:
        used = format_memory(server.memory_used, server.memory_max)
        text = f"{used} of its memory used: soon nothing can be sent; raise maxmemory, or lower RESULT_TTL"
        yield Trouble("bad", "redis", "redis", text)


def _of_queues(snapshot: Snapshot) -> Iterator[Trouble]:
    for queue in snapshot.queues:
        if queue.ready and not any(queue.queue in served_queues(worker) for worker in snapshot.workers):
            device = " with a device" if queue.queue == keys.INFERENCE_QUEUE else ""
            text = f"{_tasks(queue.ready)} wait and no live worker{device} serves them; start one: dramatiq actors"
            yield Trouble("bad", "unserved", queue.queue, text)


def served_queues(worker: WorkerView) -> tuple[str, ...]:
    """The queues whose tasks a worker takes, or will when it has started."""
    if (record := worker.record) is None or worker.liveness == "lost" or record.state == "draining":
        return ()
    if record.state in ("quarantined", "standby", "control"):
        return tuple(queue for queue in record.queues if queue != keys.INFERENCE_QUEUE)
    return record.queues


def _of_worker(worker: WorkerView, task_seconds: float) -> Iterator[Trouble]:
    """What is wrong with one; a late one may have told of more before it fell silent."""
    name = worker.worker_id
    if worker.liveness == "lost":
        age = format_age(worker.age_seconds)
        text = f"last beat {age} ago, no goodbye: its process or host has died; others run its tasks again, see its log"
        yield Trouble("bad", "lost", name, text)
        return
    if worker.liveness == "late":
        silent = f"no beat for {format_age(worker.age_seconds)}"
        text = f"{silent}: a driver call holds the process, or its host or link is overloaded"
        yield Trouble("warn", "late", name, text)
    if (record := worker.record) is None:
        yield Trouble("warn", "version", name, "beats, but its record is of another version: update the older side")
    else:
        yield from _of_record(worker, record, task_seconds)


def _of_record(worker: WorkerView, record: WorkerRecord, task_seconds: float) -> Iterator[Trouble]:
    name, device = worker.worker_id, record.device
    if record.state == "quarantined":
        text = "different tasks failed on its device, so it takes none now; see its log, driver and cooling"
        yield Trouble("bad", "quarantine", name, text)
    for task in record.running:
        is_young = record.sent_at - task.started_at <= task_seconds
        if is_young or record.loading or arriving_on(record, task.model):
            continue
        # All times are by the worker's own clock. Loading does not count.
        since = max([task.started_at, *(model.loaded_at for model in record.models)])
        if (seconds := record.sent_at - since) > task_seconds:
            text = f"runs {task.actor} {task.message_id[:8]} for {format_age(seconds)}, longer than TASK_TIMEOUT allows"
            yield Trouble("bad", "stuck", name, f"{text}: the device hangs; end the process, its tasks go to others")
            break
    if device and _is_full(device):
        used = format_memory(device.memory_used, device.memory_total)
        text = f"{used} used on {device.name}: a load may fail; close other programs or lower GPU_MEMORY_FRACTION"
        yield Trouble("warn", "memory", name, text)
    if device and device.memory_unreturned:
        left = f"unloaded models left {format_bytes(device.memory_unreturned)} taken on {device.name}"
        yield Trouble("warn", "leak", name, f"{left} until the process ends: recycle it, if it does not end when idle")
    if (offset := worker.clock_offset_seconds) is not None and abs(offset) > CLOCK_SECONDS:
        direction = "ahead" if offset > 0 else "behind"
        text = f"its clock is {format_age(abs(offset))} {direction}: start the host's time service; deadlines are wrong"
        yield Trouble("warn", "clock", name, text)


def _of_passive(snapshot: Snapshot) -> Iterator[Trouble]:
    waiting = waiting_by_model(snapshot) if snapshot.trends.passive else {}
    for worker in snapshot.workers:
        seconds = snapshot.trends.passive.get(worker.worker_id)
        if seconds is not None and (tasks := waiting_for(worker, waiting)):
            verb = "waits" if tasks == 1 else "wait"
            text = f"has taken nothing for {format_age(seconds)} although {_tasks(tasks)} {verb} for what it holds"
            yield Trouble(
                "warn", "passive", worker.worker_id, f"{text}: see its log; X on the Workers page recycles it"
            )


def _is_full(device: DeviceRecord) -> bool:
    used, total = device.memory_used, device.memory_total
    return used is not None and total is not None and 100 * used > FULL_PERCENT * total > 0


def _of_lanes(snapshot: Snapshot) -> Iterator[Trouble]:
    for lane in snapshot.lanes:
        if lane.dead:
            text = f"{_letters(lane.dead)}: failed for good; read the errors, mend the cause, send them again"
            yield Trouble("bad", "dead", lane.name, text)
        growth = snapshot.trends.growth_per_minute.get(lane.name, 0.0)
        if not lane.is_paused and growth >= GROWING_PER_MINUTE and (lane.oldest_seconds or 0.0) >= GROWING_WAIT_SECONDS:
            yield Trouble("warn", "growing", lane.name, _growing(lane, growth))


def _growing(lane: LaneView, growth: float) -> str:
    waited = format_age(lane.oldest_seconds or 0.0)
    return f"{_tasks(lane.ready)} wait, {growth:+,.0f} a minute, the first for {waited}: add a worker or send less"


def _tasks(number: int) -> str:
    return "1 task" if number == 1 else f"{format_count(number)} tasks"


def _letters(number: int) -> str:
    return "1 dead letter" if number == 1 else f"{format_count(number)} dead letters"
