"""The troubles of a reading, worst first."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from monitor.core.formatting import format_age, format_count, format_memory, printable
from monitor.core.passive_workers import waiting_by_model, waiting_for
from monitor.core.snapshot import LaneView, Snapshot, WorkerView
from monitor.core.trouble import KINDS, Trouble
from monitor.core.worker_troubles import WorkerTroubles
from settings import keys

#: More than this share of Redis' memory in use is told.
REDIS_FULL_PERCENT = 90

#: A model that is loaded so often in ten minutes is loaded in place of work.
THRASHING_LOADS = 6

#: A lane grows when its backlog rises by so many a minute while its first task has waited for so long.
GROWING_PER_MINUTE, GROWING_WAIT_SECONDS = 10.0, 10.0

#: So many troubles of one kind are shown one by one; more are one line.
MOST_OF_A_KIND = 3

#: With these a queue stands still, and with it its lanes in which something waits.
STANDING_STILL = ("unserved", "paused")


class TroubleFinder:
    """Finds the troubles of readings; a task that runs for longer than `task_seconds` is stuck."""

    def __init__(self, task_seconds: float) -> None:
        self._of_workers = WorkerTroubles(task_seconds)

    def find(self, snapshot: Snapshot) -> tuple[Trouble, ...]:
        """Every trouble that a reading shows, worst first; many of a kind in one line."""
        found = self._by_kind(snapshot)
        folded = (trouble for kind in KINDS for trouble in _fold(found.get(kind, ())))
        return tuple(sorted(folded, key=lambda trouble: trouble.severity != "bad"))

    def find_troubled(self, snapshot: Snapshot) -> dict[str, str]:
        """The kinds of troubles of each worker, lane, queue and model; a lane that stands still has its queue's too."""
        kinds: dict[str, list[str]] = defaultdict(list)
        for kind, troubles in self._by_kind(snapshot).items():
            for trouble in troubles:
                kinds[trouble.about].append(kind)
        still = {name: [kind for kind in found if kind in STANDING_STILL] for name, found in kinds.items()}
        for lane in snapshot.lanes:
            if still.get(lane.queue) and (lane.ready or lane.is_paused):
                kinds[lane.name] += still[lane.queue]
        return {name: " ".join(dict.fromkeys(found)) for name, found in kinds.items()}

    def _by_kind(self, snapshot: Snapshot) -> Mapping[str, Sequence[Trouble]]:
        """Those of silent workers, who may be thousands, are not yet put into words."""
        found: dict[str, list[Trouble]] = defaultdict(list)
        for trouble in self._put_into_words(snapshot):
            found[trouble.kind].append(trouble)
        return {**self._of_workers.find_silent(snapshot), **found}

    def _put_into_words(self, snapshot: Snapshot) -> Iterator[Trouble]:
        yield from _of_redis(snapshot)
        yield from _of_queues(snapshot)
        yield from self._of_workers.find_told(snapshot)
        yield from _of_passive(snapshot)
        yield from _of_lanes(snapshot)
        yield from _of_paused(snapshot)
        yield from _of_thrashing(snapshot)


def _fold(troubles: Sequence[Trouble]) -> Sequence[Trouble]:
    if len(troubles) <= MOST_OF_A_KIND:
        return troubles
    first, rest = troubles[0], len(troubles) - 1
    text = f"and {format_count(rest)} more like it ({', '.join(printable(each.about) for each in troubles[1:3])}, …)"
    return [first, Trouble(first.severity, first.kind, f"{rest} more", text, rest)]


def _of_paused(snapshot: Snapshot) -> Iterator[Trouble]:
    for name, who in snapshot.paused.items():
        waiting = sum(lane.ready for lane in snapshot.lanes if name in (lane.name, lane.queue))
        text = f"{_tasks(waiting)} wait because {who} paused it; P on the Queues page resumes it"
        yield Trouble("warn", "paused", name, text)


def _of_thrashing(snapshot: Snapshot) -> Iterator[Trouble]:
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


def _of_passive(snapshot: Snapshot) -> Iterator[Trouble]:
    if not (passive := snapshot.trends.passive):
        return
    waiting = waiting_by_model(snapshot)
    for worker in snapshot.workers:
        seconds = passive.get(worker.worker_id)
        if seconds is not None and (tasks := waiting_for(worker, waiting)):
            verb = "waits" if tasks == 1 else "wait"
            text = f"has taken nothing for {format_age(seconds)} although {_tasks(tasks)} {verb} for what it holds"
            yield Trouble(
                "warn", "passive", worker.worker_id, f"{text}: see its log; X on the Workers page recycles it"
            )


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
