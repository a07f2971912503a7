"""All that is known of one worker, as text."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from monitor.core.formatting import (
    ABSENT,
    format_age,
    format_bytes,
    format_calls,
    format_celsius,
    format_count,
    format_memory,
    format_percent,
    format_share,
    printable,
)
from monitor.core.model_stays import PINNED, Stay, stays_of
from monitor.core.snapshot import Snapshot, WorkerView
from monitor.core.trouble_finder import TroubleFinder
from monitor.core.worker_history_text import asked_line, history_lines
from monitor.core.worker_table import worker_state
from settings import keys
from settings.arriving import describe_arriving
from settings.records import DeviceRecord, WorkerRecord


def worker_text(snapshot: Snapshot, worker_id: str, task_seconds: float) -> str:
    """One line a fact; also for a worker that has gone."""
    worker = next((worker for worker in snapshot.workers if worker.worker_id == worker_id), None)
    if worker is None:
        return "This worker has said goodbye, or was last seen more than an hour ago."
    return "\n".join(map(printable, _lines(snapshot, worker, task_seconds)))


def _lines(snapshot: Snapshot, worker: WorkerView, task_seconds: float) -> Iterator[str]:
    yield f"{worker_state(worker).text}, last beat {format_age(worker.age_seconds(snapshot.at))} ago"
    for trouble in TroubleFinder(task_seconds).find(replace(snapshot, workers=(worker,))):
        if trouble.about == worker.worker_id:
            yield f"{'✖' if trouble.severity == 'bad' else '▲'} {trouble.kind}: {trouble.text}"
    record, history = worker.record, snapshot.histories.get(worker.worker_id)
    if record:
        now = record.sent_at + worker.age_seconds(snapshot.at)
        yield from _process_lines(record, now)
        if keys.INFERENCE_QUEUE in record.queues and record.device:
            yield f"fetching  {asked_line(history, snapshot.at or 0.0, bool(record.running))}"
        yield from _device_lines(record.device) if record.device else ()
        yield from _task_lines(record)
        yield from ("", *_model_lines(record, stays_of(worker, record, snapshot.at)))
        yield from ("", *_hand_lines(record, now))
    if history:
        device = record.device if record else None
        yield from ("", *history_lines(history, device.memory_total if device else None))


def _process_lines(record: WorkerRecord, now: float) -> Iterator[str]:
    """Ages are by the worker's own clock, which wrote the times and says `now`."""
    yield f"host      {record.host}, process {record.pid}, up {format_age(now - record.started_at)}"
    yield f"software  {', '.join(f'{name} {version}' for name, version in record.software.items()) or ABSENT}"
    yield f"queues    {', '.join(record.queues) or ABSENT}"


def _device_lines(device: DeviceRecord) -> Iterator[str]:
    used = f"{format_memory(device.memory_used, device.memory_total)}"
    share, source = format_share(device.memory_used, device.memory_total), device.memory_source or "unknown"
    budget = ABSENT if device.models_budget is None else format_bytes(device.models_budget)
    yield f"device    {device.name}, {device.label}"
    yield f"memory    {used}, {share} (source: {source}); models may take {budget}"
    if device.memory_shared_total is not None:
        shared = format_memory(device.memory_shared_used, device.memory_shared_total)
        yield f"lent      {shared} of the host's RAM, not part of that memory"
    if device.backend != "cpu":
        busy, heat = format_percent(device.busy_percent), format_celsius(device.temperature_celsius)
        yield f"GPU       {busy}  {heat} (source: {device.activity_source or 'unknown'})"
    if device.cpu_fallbacks:
        yield f"on CPU    for want of a kernel: {format_calls(device.cpu_fallbacks)}"


def _task_lines(record: WorkerRecord) -> Iterator[str]:
    rss = ABSENT if record.rss_bytes is None else format_bytes(record.rss_bytes)
    yield f"tasks     {format_count(record.done)} done, {format_count(record.failed)} failed; process takes {rss}"


def _model_lines(record: WorkerRecord, stays: Iterable[Stay]) -> Iterator[str]:
    yield f"Models in memory ({len(record.models)})" + (f", {record.loading} on its way" if record.loading else "")
    for arriving in record.arriving:
        yield f"+ {describe_arriving(arriving)}"
    for stay in sorted(stays, key=lambda stay: stay.idle_seconds):
        held = stay.held
        used = f"used {format_age(stay.idle_seconds)} ago, {format_count(held.uses)} times"
        name = f"{held.model} {held.revision[:12]}  {held.dtype}  {format_bytes(held.bytes)}"
        yield f"  {name}  {used}{_end(stay)}"


def _end(stay: Stay) -> str:
    if stay.held.is_pinned:
        return f", {PINNED}"
    return "" if stay.seconds_left is None else f", expires in {stay.ends}"


def _hand_lines(record: WorkerRecord, now: float) -> Iterator[str]:
    yield f"Tasks in hand ({len(record.running)})"
    for task in sorted(record.running, key=lambda task: task.started_at):
        yield f"  {task.actor} {task.message_id}  {task.model or ABSENT}  for {format_age(now - task.started_at)}"
