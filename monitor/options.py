"""The options of the command line."""

import argparse
import contextlib
import math
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import NoReturn

from redis.connection import parse_url

#: More often than this nobody can look.
LEAST_INTERVAL_SECONDS = 0.1

#: Where `--serve` listens without a word.
SERVED_AT = ("127.0.0.1", 8000)


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options; what cannot be used is told in one line, and ends the process with 2."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.explain and (options.demo or options.replay):
        parser.error("--explain asks Redis; it goes with neither --demo nor --replay")
    if options.record and (options.replay or options.serve or options.once or options.json):
        parser.error("--record goes with none of --replay, --serve, --once and --json")
    if options.serve and (options.once or options.json or options.explain):
        parser.error("--serve goes with none of --once, --json and --explain")
    return options


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (--help tells all options)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="monitor",
        description="Shows the cluster's queues and workers.",
        epilog="One reading ends with 1 when work is lost or stands still, which is any trouble with a ✖; with 0 when "
        "all is well or there are warnings (▲) alone; with 2 without a Redis. "
        "--explain with 0, 1 when there is no trace of the task, 2 without a Redis.",
    )
    parser.add_argument("--once", "--plain", action="store_true", help="print one reading as text and exit")
    parser.add_argument("--json", action="store_true", help="print one reading as JSON and exit")
    parser.add_argument(
        "--explain", metavar="MESSAGE_ID", type=_message_id, help="print where a task is and why it waits, and exit"
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--redis-url", metavar="URL", type=_redis_url, help="the Redis to read instead of REDIS_URL")
    source.add_argument("--demo", action="store_true", help="show a simulated cluster of 40 workers")
    source.add_argument("--replay", metavar="FILE", type=Path, help="show a recording")
    parser.add_argument("--record", metavar="DIR", type=Path, help="keep all readings in files of a folder")
    parser.add_argument("--interval", metavar="SECONDS", type=_seconds, default=1.0, help="time between two readings")
    parser.add_argument("--read-only", action="store_true", help="change nothing, whatever MONITOR_ACTIONS says")
    parser.add_argument("--ascii", action="store_true", help="draw without glyphs")
    parser.add_argument(
        "--serve",
        metavar="HOST:PORT",
        nargs="?",
        type=_loopback,
        const=SERVED_AT,
        help="show it, read-only, in browsers of this host (127.0.0.1:8000)",
    )
    # What --serve starts for each browser; it ends with the server of this process id.
    parser.add_argument("--served-by", type=int, help=argparse.SUPPRESS)
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


def _loopback(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    name = host.strip("[]")
    with contextlib.suppress(ValueError):
        if (name == "localhost" or ip_address(name).is_loopback) and 0 < int(port) < 65536:
            return name, int(port)
    raise argparse.ArgumentTypeError("allowed are addresses of this host alone, such as 127.0.0.1:8000")
