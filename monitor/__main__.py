"""`python -m monitor`: the dashboard on a terminal, one reading as text or JSON elsewhere."""

import argparse
import contextlib
import math
import sys
from collections.abc import Sequence

from redis.connection import parse_url

from monitor.core.dead_letters import DeadLetters
from monitor.core.explanation_text import explanation_json, explanation_text
from monitor.core.plain import to_json, to_text
from monitor.core.snapshot import Snapshot
from monitor.core.source import RedisSource, SourceUnavailable
from monitor.core.trouble import find_troubles
from settings.config import InvalidConfiguration, Settings, read_settings

#: Exit codes of a single reading: all is well, somebody should look, nothing can be told.
HEALTHY, TROUBLE, UNKNOWN = 0, 1, 2

#: More often than this nobody can look.
LEAST_INTERVAL_SECONDS = 0.1

WHAT_TO_DO = "set REDIS_URL or pass --redis-url, or start one with `docker compose up -d redis`"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the monitor and returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        settings = _settings(options.redis_url)
        source = RedisSource(settings)
    except InvalidConfiguration as error:
        return _give_up(str(error))
    if options.explain:
        return _print_explanation(source, options.explain, as_json=options.json)
    if options.once or options.json or not _has_terminal():
        return _print_once(source.read(), settings.task_timeout, as_json=options.json)
    return _run_dashboard(source, settings, options.interval)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="monitor",
        description="Shows the cluster's queues and workers.",
        epilog="One reading ends with 0 when all is well, 1 when work is lost or stands still, 2 without a Redis; "
        "--explain with 0, 1 when there is no trace of the task, 2 without a Redis.",
    )
    parser.add_argument("--once", "--plain", action="store_true", help="print one reading as text and exit")
    parser.add_argument("--json", action="store_true", help="print one reading as JSON and exit")
    parser.add_argument(
        "--explain", metavar="MESSAGE_ID", type=_message_id, help="print where a task is and why it waits, and exit"
    )
    parser.add_argument("--redis-url", metavar="URL", type=_redis_url, help="the Redis to read instead of REDIS_URL")
    parser.add_argument("--interval", metavar="SECONDS", type=_seconds, default=1.0, help="time between two readings")
    return parser


def _message_id(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("allowed is the id of a message")
    return text


def _redis_url(text: str) -> str:
    try:
        parse_url(text)
    except ValueError:  # whose message may hold a part of the password
        allowed = "redis://HOST:PORT/DB, rediss://... (TLS) and unix://PATH"
        raise argparse.ArgumentTypeError(f"allowed are {allowed}") from None
    return text


def _seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        if LEAST_INTERVAL_SECONDS <= (seconds := float(text)) < math.inf:
            return seconds
    raise argparse.ArgumentTypeError(f"allowed are numbers from {LEAST_INTERVAL_SECONDS} on")


def _settings(redis_url: str | None) -> Settings:
    settings = read_settings()
    return settings.model_copy(update={"redis_url": redis_url}) if redis_url else settings


def _has_terminal() -> bool:
    """Whether a person is there: Textual reads stdin and draws on stderr, and whoever redirects stdout wants text."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.__stderr__))


def _print_once(snapshot: Snapshot, task_seconds: float, *, as_json: bool) -> int:
    if snapshot.error:
        return _give_up(f"{snapshot.error}: {WHAT_TO_DO}.")
    troubles = find_troubles(snapshot, task_seconds)
    _print(to_json(snapshot, troubles) if as_json else to_text(snapshot, troubles))
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


def _run_dashboard(source: RedisSource, settings: Settings, interval_seconds: float) -> int:
    try:
        from monitor.tui.app import ClusterMonitor  # noqa: PLC0415  # an extra that one reading does without
    except ModuleNotFoundError as error:
        if error.name not in ("rich", "textual"):
            raise
        return _give_up("The dashboard needs Textual: pip install cluster-manager[monitor], or use --once.")
    app = ClusterMonitor(
        source,
        interval_seconds,
        letters=DeadLetters(settings),
        may_act=settings.monitor_actions,
        task_seconds=settings.task_timeout,
    )
    app.run()
    return app.return_code or HEALTHY


def _give_up(reason: str) -> int:
    print(reason, file=sys.stderr)
    return UNKNOWN


if __name__ == "__main__":
    sys.exit(main())
