"""`python -m monitor`: the dashboard on a terminal or in a browser, one reading as text or JSON elsewhere."""

import gc
import os
import signal
import sys
import threading
from argparse import Namespace
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.core.actions import Actions, Letters
from monitor.core.ascii import to_ascii
from monitor.core.dead_letters import DeadLetters
from monitor.core.demo.cluster import DemoSource
from monitor.core.explanation_text import explanation_json, explanation_text
from monitor.core.plain import to_json, to_text
from monitor.core.recorded_source import RecordingSource, ReplaySource
from monitor.core.recording import Header, RecordingUnreadable, RecordingWriter
from monitor.core.source import RedisSource, Source, SourceUnavailable
from monitor.core.task_stories import TaskStories
from monitor.core.trouble_finder import TroubleFinder
from monitor.options import read_options
from monitor.server_watch import end_with
from settings.config import InvalidConfiguration, Settings, read_settings

if TYPE_CHECKING:
    from monitor.tui.app import Tasks

#: Exit codes of a single reading: all is well, somebody should look, nothing can be told.
HEALTHY, TROUBLE, UNKNOWN = 0, 1, 2

WHAT_TO_DO = "set REDIS_URL or pass --redis-url, or start one with `docker compose up -d redis`"

#: Records are trees, which go without the collector: with Python's own 700 it takes a quarter of the CPU time for
#: looking through thousands of them again and again.
NEW_OBJECTS_PER_COLLECTION = 100_000

#: How long a task may run in the demo.
DEMO_TASK_SECONDS = 300.0


@dataclass(frozen=True)
class _Watched:
    """What is looked at, how long a task may run there, and what may be changed."""

    source: Source
    task_seconds: float
    letters: Letters | None = None
    tasks: "Tasks | None" = None
    may_act: bool = False
    actions: Actions | None = None
    export_folder: Path = Path("exports")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the monitor and returns its exit code."""
    options = read_options(arguments)
    try:
        if options.explain:
            return _print_explanation(RedisSource(_settings(options.redis_url)), options.explain, as_json=options.json)
        watched = _watched(options)
    except (InvalidConfiguration, RecordingUnreadable) as error:
        return _give_up(str(error))
    if options.serve:
        return _serve(options)
    if options.record:
        return _record(watched, options)
    return _show(watched, options)


def _watched(options: Namespace) -> _Watched:
    if options.demo:
        demo = DemoSource()
        may_act = not (options.served_by or options.read_only)
        return _Watched(
            demo,
            DEMO_TASK_SECONDS,
            letters=demo.operator,
            tasks=demo.tasks,
            actions=demo.actions,
            may_act=may_act,
        )
    if options.replay:
        replay = ReplaySource(options.replay)
        return _Watched(replay, replay.header.task_seconds)
    settings = _settings(options.redis_url)
    return _Watched(
        RedisSource(settings),
        settings.task_timeout,
        DeadLetters(settings),
        TaskStories(settings),
        may_act=settings.monitor_actions and not (options.served_by or options.read_only),
        actions=Actions.on(settings),
        export_folder=settings.state_dir.expanduser() / "exports",
    )


def _settings(redis_url: str | None) -> Settings:
    settings = read_settings()
    return settings.model_copy(update={"redis_url": redis_url}) if redis_url else settings


def _show(watched: _Watched, options: Namespace) -> int:
    if options.once or options.json or not (options.served_by or _has_terminal()):
        return _print_once(watched, as_json=options.json, in_ascii=options.ascii)
    return _run_dashboard(watched, options)


def _has_terminal() -> bool:
    """Whether a person is there: Textual reads stdin and draws on stderr, and whoever redirects stdout wants text."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.__stderr__))


def _print_once(watched: _Watched, *, as_json: bool, in_ascii: bool) -> int:
    snapshot = watched.source.read()
    if snapshot.error:
        return _give_up(f"{snapshot.error}: {WHAT_TO_DO}.")
    troubles = TroubleFinder(watched.task_seconds).find(snapshot)
    text = to_json(snapshot, troubles) if as_json else to_text(snapshot, troubles)
    _print("\n".join(map(to_ascii, text.splitlines())) if in_ascii else text)
    return TROUBLE if any(trouble.severity == "bad" for trouble in troubles) else HEALTHY


def _print_explanation(source: RedisSource, message_id: str, *, as_json: bool) -> int:
    try:
        explanation = source.explain(message_id)
    except SourceUnavailable as error:
        return _give_up(f"{error}: {WHAT_TO_DO}.")
    _print(explanation_json(explanation) if as_json else explanation_text(explanation))
    return TROUBLE if explanation.place.state == "unknown" else HEALTHY


def _print(text: str) -> None:
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a console of an old code page has no glyphs
    print(text)


def _record(watched: _Watched, options: Namespace) -> int:
    """Keeps the readings while the dashboard shows them or, without a terminal, until somebody ends it."""
    folder: Path = options.record
    header = Header(
        address=watched.source.address, interval_seconds=options.interval, task_seconds=watched.task_seconds
    )
    with closing(RecordingWriter(folder, header)) as writer:
        try:
            writer.begin_file()
        except OSError as error:
            return _give_up(f"Nothing can be recorded in {folder}: {error.strerror or error}")
        kept = RecordingSource(watched.source, writer)
        if _has_terminal():
            return _run_dashboard(replace(watched, source=kept), options)
        return _read_until_ended(kept, options.interval)


def _read_until_ended(source: RecordingSource, interval_seconds: float) -> int:
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    print(f"Recording {source.address} until SIGTERM.", flush=True)
    while source.state == "recording" and not ended.is_set():
        source.read()
        ended.wait(interval_seconds)
    return HEALTHY if ended.is_set() else _give_up("The recording has ended: its folder cannot be written any more.")


def _run_dashboard(watched: _Watched, options: Namespace) -> int:
    gc.set_threshold(NEW_OBJECTS_PER_COLLECTION)
    try:
        from monitor.tui.app import ClusterMonitor  # noqa: PLC0415  # an extra that one reading does without
    except ModuleNotFoundError as error:
        if error.name not in ("rich", "textual"):
            raise
        return _give_up("The dashboard needs Textual: pip install cluster-manager[monitor], or use --once.")
    app = ClusterMonitor(
        watched.source,
        options.interval,
        letters=watched.letters,
        tasks=watched.tasks,
        actions=watched.actions,
        may_act=watched.may_act,
        task_seconds=watched.task_seconds,
        export_folder=watched.export_folder,
        ascii_only=options.ascii,
    )
    if options.served_by is not None:
        end_with(options.served_by)
    app.run()
    return app.return_code or HEALTHY


def _serve(options: Namespace) -> int:
    try:
        from monitor.serving import serve  # noqa: PLC0415  # an extra of its own
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("aiohttp", "textual_serve"):
            raise
        return _give_up("--serve needs textual-serve: pip install cluster-manager[serve].")
    host, port = options.serve
    print(f"Serving on http://{host}:{port}, read-only, to browsers of this host; ctrl+c ends.", flush=True)
    try:
        serve(host, port, _arguments_of_visitors(options))
    except OSError as error:
        return _give_up(f"--serve cannot listen on {host}:{port}: {error.strerror or error}")
    return HEALTHY


def _arguments_of_visitors(options: Namespace) -> list[str]:
    """What each browser's own monitor is told; the address, which may hold a password, by its environment."""
    if options.redis_url:
        os.environ["REDIS_URL"] = options.redis_url
    source = ["--demo"] if options.demo else ["--replay", str(options.replay)] if options.replay else []
    return [*source, "--interval", str(options.interval), *(["--ascii"] if options.ascii else [])]


def _give_up(reason: str) -> int:
    print(reason, file=sys.stderr)
    return UNKNOWN


if __name__ == "__main__":
    sys.exit(main())
