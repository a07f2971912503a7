"""All that is known of one worker, as text."""

from collections.abc import Iterator

from monitor.core.formatting import (
    ABSENT,
    format_age,
    format_bytes,
    format_calls,
    format_count,
    format_memory,
    format_share,
    printable,
)
from monitor.core.snapshot import Snapshot, WorkerView
from monitor.core.trouble import find_troubles
from monitor.core.worker_table import worker_state
from settings.arriving import describe_arriving
from settings.records import WorkerRecord


def worker_text(snapshot: Snapshot, worker_id: str, task_seconds: float) -> str:
    """One line a fact; also for a worker that has gone."""
    worker = next((worker for worker in snapshot.workers if worker.worker_id == worker_id), None)
    if worker is None:
        return "This worker has said goodbye, or was last seen more than an hour ago."
    return "\n".join(map(printable, _lines(snapshot, worker, task_seconds)))


def _lines(snapshot: Snapshot, worker: WorkerView, task_seconds: float) -> Iterator[str]:
    yield f"{worker_state(worker).text}, last beat {format_age(worker.age_seconds)} ago"
    for trouble in find_troubles(Snapshot(at=snapshot.at, workers=(worker,)), task_seconds):
        yield f"{'✖' if trouble.severity == 'bad' else '▲'} {trouble.kind}: {trouble.text}"
    if worker.record:
        yield from _record_lines(worker.record, worker.record.sent_at + worker.age_seconds)


def _record_lines(record: WorkerRecord, now: float) -> Iterator[str]:
    """Ages are by the worker's own clock, which wrote the times and says `now`."""
    device = record.device
    yield f"host      {record.host}, process {record.pid}, up {format_age(now - record.started_at)}"
    yield f"software  {', '.join(f'{name} {version}' for name, version in record.software.items()) or ABSENT}"
    yield f"queues    {', '.join(record.queues) or ABSENT}"
    if device:
        used = f"{format_memory(device.memory_used, device.memory_total)}"
        share, source = format_share(device.memory_used, device.memory_total), device.memory_source or "unknown"
        budget = ABSENT if device.models_budget is None else format_bytes(device.models_budget)
        yield f"device    {device.name}, {device.label}"
        yield f"memory    {used}, {share} (source: {source}); models may take {budget}"
        if device.cpu_fallbacks:
            yield f"on CPU    for want of a kernel: {format_calls(device.cpu_fallbacks)}"
    rss = ABSENT if record.rss_bytes is None else format_bytes(record.rss_bytes)
    yield f"tasks     {format_count(record.done)} done, {format_count(record.failed)} failed; process takes {rss}"
    yield ""
    yield f"Models in memory ({len(record.models)})" + (f", {record.loading} on its way" if record.loading else "")
    for arriving in record.arriving:
        yield f"+ {describe_arriving(arriving)}"
    for model in sorted(record.models, key=lambda model: -model.last_used_at):
        used = f"used {format_age(now - model.last_used_at)} ago, {format_count(model.uses)} times"
        yield f"  {model.model} {model.revision[:12]}  {model.dtype}  {format_bytes(model.bytes)}  {used}"
    yield ""
    yield f"Tasks in hand ({len(record.running)})"
    for task in sorted(record.running, key=lambda task: task.started_at):
        yield f"  {task.actor} {task.message_id}  {task.model or ABSENT}  for {format_age(now - task.started_at)}"
