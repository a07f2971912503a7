"""The demo's command line."""

import argparse
import json
import os
import signal
import threading
from collections.abc import Sequence

from actors.client import Client
from actors.demo import scenes
from actors.demo.cluster import running_workers
from actors.demo.models import build_model_folder
from actors.demo.scenes import TaskReport
from settings.config import current_settings
from settings.local_redis import ensure_redis
from settings.records import WorkerRecord

PARSER = argparse.ArgumentParser(
    prog="python -m actors.demo", description="Runs real models through Redis and workers on this machine."
)
PARSER.add_argument("--json", action="store_true", help="print one JSON document instead of text")
PARSER.add_argument("--keep", action="store_true", help="leave the workers running until Ctrl-C")


def main() -> None:
    """Starts what is needed, runs the scenes, cleans up."""
    arguments, settings = PARSER.parse_args(), current_settings()
    say = (lambda *_, **__: None) if arguments.json else print
    say(f"Redis      {ensure_redis(settings, owner_pid=os.getpid())}")
    folder = build_model_folder(settings.state_dir / "demo-models")
    say(f"Models     {folder}")
    say("Workers    starting …", flush=True)
    with running_workers(settings, folder) as workers:
        for worker in workers:
            if device := worker.device:
                say(f"           {worker.worker_id} on {device.name} ({device.label})")
        tasks = _run_silently() if arguments.json else _run_aloud()
        if arguments.json:
            print(json.dumps(_document(workers, tasks)), flush=True)
        if arguments.keep:
            say("\nRunning until Ctrl-C. In another terminal: python -m monitor")
            _wait_for_interrupt()
    if not arguments.keep:
        say("\nTo watch it: python -m actors.demo --keep, and in another terminal python -m monitor")


def _document(workers: Sequence[WorkerRecord], tasks: Sequence[TaskReport]) -> dict[str, object]:
    worker = workers[0].model_dump(mode="json")
    return {"ok": True, "worker": worker, "tasks": [task.as_json() for task in tasks]}


def _run_silently() -> list[TaskReport]:
    client = Client()
    _, nearest = scenes.nearest_sentence(client)
    return [
        nearest,
        scenes.streamed_paragraph(client, lambda piece: None),
        scenes.classification(client),
        *scenes.concurrent_embeds(),
    ]


def _run_aloud() -> list[TaskReport]:
    client = Client()
    print(f"\nembed      {scenes.QUESTION!r} is nearest to")
    similarities, nearest = scenes.nearest_sentence(client)
    for similarity, answer in similarities:
        print(f"           {similarity:5.2f}  {answer}")
    _print_timing(nearest)
    print(f"\ngenerate   {scenes.PROMPT}", end="", flush=True)
    paragraph = scenes.streamed_paragraph(client, lambda piece: print(piece, end="", flush=True))
    print()
    _print_timing(paragraph)
    kind = scenes.classification(client)
    best = kind.output[0][0]
    print(f"\nclassify   {scenes.SNIPPET!r} is {best['label']} ({best['score']:.0%})")
    _print_timing(kind)
    together = scenes.concurrent_embeds()
    _print_concurrent(together)
    return [nearest, paragraph, kind, *together]


def _print_timing(task: TaskReport) -> None:
    timings, metadata = task.metadata.timings, task.metadata
    print(
        f"           {task.ms:.0f} ms: {timings.queued_ms:.0f} queued, {timings.load_ms:.0f} loading, "
        f"{timings.compute_ms:.0f} computing on {metadata.device} ({metadata.dtype}, batch of {metadata.batch_size})"
    )


def _print_concurrent(tasks: Sequence[TaskReport]) -> None:
    sizes = [task.metadata.batch_size for task in tasks]
    slowest = max(task.ms for task in tasks)
    print(f"\nembed      {len(tasks)} tasks at once: all back after {slowest:.0f} ms")
    print(f"           {len(tasks) / slowest * 1000:.0f} tasks a second, batches of {min(sizes)} to {max(sizes)}")


def _wait_for_interrupt() -> None:
    interrupted = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: interrupted.set())
    while not interrupted.wait(1.0):
        pass


if __name__ == "__main__":
    main()
