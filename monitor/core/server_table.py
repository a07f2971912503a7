"""What Redis says of itself as two tables: facts, and its keys by kind."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from monitor.core.formatting import ABSENT, format_age, format_bytes, format_count, format_share
from monitor.core.server_view import KeyKind, ServerView
from monitor.core.snapshot import Snapshot
from monitor.core.sparkline import scale_top, sparkline
from monitor.core.table import Cell, Column, Table, Tone, cell
from monitor.core.view import NOTHING_CHOSEN, View, empty_text
from monitor.core.words import Fields, narrow

FACT_COLUMNS = (
    Column("what", least=11, most=14, rank=0),
    Column("now", least=20, most=60, rank=1),
    Column("besides", least=24, most=80, rank=2),
)

KIND_COLUMNS = (
    Column("kind", least=16, most=40, rank=0),
    Column("keys", least=10, most=14, rank=1, right=True),
    Column("memory", least=10, most=12, rank=2, right=True),
    Column("share", least=5, most=5, rank=3, right=True),
    Column("each", least=10, most=12, rank=4, right=True),
)

_Row = tuple[Cell, ...]

#: What the words of a filter can be about.
FACT_FIELDS: dict[str, Callable[[_Row], str]] = {
    "what": lambda row: row[0].text,
    "now": lambda row: row[1].text,
    "besides": lambda row: row[2].text,
}
KIND_FIELDS: dict[str, Callable[[_Row], str]] = {"kind": lambda row: row[0].text}

NOT_READ = "Redis has not told yet."

#: The cells of a trend.
TREND_CELLS = 30

#: Above this share of its limit the memory is shown as nearly used.
NEARLY_USED_PERCENT = 90

#: The scales of the trends, whose tops stand beside them, reach this far at least.
LEAST_COMMANDS, LEAST_ANSWER_MS = 100.0, 5.0


def server_table(snapshot: Snapshot, view: View = NOTHING_CHOSEN) -> Table:
    """A row a fact."""
    rows = _shown(_facts(snapshot.server) if snapshot.server else (), view, FACT_FIELDS)
    ids = tuple(row[0].text for row in rows)
    return Table(FACT_COLUMNS, rows, empty_text(snapshot, view, NOT_READ), ids, fields=tuple(FACT_FIELDS))


def key_table(snapshot: Snapshot, view: View = NOTHING_CHOSEN) -> Table:
    """A row a kind of keys."""
    kinds = snapshot.server.kinds if snapshot.server else ()
    whole = sum(kind.bytes or 0 for kind in kinds)
    rows = _shown((_kind_row(kind, whole) for kind in kinds), view, KIND_FIELDS)
    empty = empty_text(snapshot, view, "No keys." if snapshot.server else NOT_READ)
    return Table(KIND_COLUMNS, rows, empty, tuple(row[0].text for row in rows), fields=tuple(KIND_FIELDS))


def _shown(rows: Iterable[_Row], view: View, fields: Fields[_Row]) -> list[_Row]:
    found = narrow(rows, view.words, fields)
    return [row for row in found if not view.trouble_only or any(piece.tone in ("warn", "bad") for piece in row)]


def _facts(server: ServerView) -> Iterator[tuple[Cell, ...]]:
    yield _fact("server", f"Redis {server.version or ABSENT}, {server.role or ABSENT}", _up(server))
    yield _memory(server)
    policy_tone: Tone = "bad" if server.memory_max and server.policy != "noeviction" else "plain"
    evicted = f"{_number(server.evicted)} evicted, {_number(server.expired)} expired"
    yield _fact("policy", server.policy or ABSENT, evicted, policy_tone, "bad" if server.evicted else "plain")
    clients = f"{_number(server.clients)} of {_number(server.clients_max)}, {_number(server.clients_blocked)} wait"
    rejected = f"{_number(server.clients_rejected)} rejected"
    yield _fact("clients", clients, rejected, tone_besides="warn" if server.clients_rejected else "plain")
    commands = f"{_number(server.commands_per_second)} a second"
    yield _fact("commands", commands, _trend(server.commands_trend, LEAST_COMMANDS))
    answer = ABSENT if server.answer_ms is None else f"{server.answer_ms:.1f} ms to answer"
    yield _fact("latency", answer, _trend(server.answer_trend, LEAST_ANSWER_MS, " ms"))
    slowest = ", ".join(f"{command} {milliseconds:.2f} ms" for command, milliseconds in server.slowest)
    yield _fact("slowest", slowest or ABSENT, "99 of 100 calls are quicker" if slowest else "")
    network = f"{_kib(server.kib_in_per_second)} in, {_kib(server.kib_out_per_second)} out"
    yield _fact("network", network)
    yield _log(server)
    yield _picture(server)
    yield _keys(server)
    if server.counted_percent is not None and server.counted_percent < 100:
        yield _fact("counted", f"{server.counted_percent}% of the keys", "the kinds below are of these so far")


def _fact(
    what: str, now: str, besides: str = "", tone: Tone = "plain", tone_besides: Tone = "plain"
) -> tuple[Cell, ...]:
    return Cell(what, "title"), cell(now, tone), cell(besides, tone_besides)


def _trend(values: Sequence[float], least: float, unit: str = "") -> str:
    if not values:
        return ""
    top = scale_top(values, least)
    return f"{sparkline(values, TREND_CELLS, top)} of {top:,.0f}{unit}"


def _up(server: ServerView) -> str:
    up = "" if server.uptime_seconds is None else f"up {format_age(server.uptime_seconds)}"
    return f"{up}, loading its data" if server.is_loading else up


def _memory(server: ServerView) -> tuple[Cell, ...]:
    used, limit = server.memory_used, server.memory_max
    now = f"{_bytes(used)} of {_bytes(limit)}, {format_share(used, limit)}" if limit else f"{_bytes(used)}, no limit"
    fragmentation = "" if server.fragmentation is None else f", {server.fragmentation:.1f} times what it keeps"
    besides = f"peak {_bytes(server.memory_peak)}, takes {_bytes(server.memory_rss)}{fragmentation}"
    is_full = bool(limit and used and 100 * used > NEARLY_USED_PERCENT * limit)
    return _fact("memory", now, besides, "warn" if is_full else "plain")


def _log(server: ServerView) -> tuple[Cell, ...]:
    if server.has_log is None:
        return _fact("log (AOF)", ABSENT)
    if not server.is_log_written:
        return _fact("log (AOF)", "cannot be written", "see Redis' log and its disk", "bad")
    besides = "each write is kept" if server.has_log else "a crash loses the writes since the last picture"
    return _fact("log (AOF)", "on" if server.has_log else "off", besides)


def _picture(server: ServerView) -> tuple[Cell, ...]:
    if not server.is_picture_written:
        return _fact("picture (RDB)", "cannot be written", "Redis refuses writes: see its log and its disk", "bad")
    age = ABSENT if server.picture_age_seconds is None else f"{format_age(server.picture_age_seconds)} ago"
    return _fact("picture (RDB)", age, f"{_number(server.picture_changes)} changes since")


def _keys(server: ServerView) -> tuple[Cell, ...]:
    counts = ", ".join(f"{name} {format_count(count)}" for name, count, _ in server.databases)
    expiring = sum(expiring for _, _, expiring in server.databases)
    return _fact("keys", counts or "none", f"{format_count(expiring)} of them expire" if counts else "")


def _kind_row(kind: KeyKind, whole: int) -> tuple[Cell, ...]:
    absent = Cell(ABSENT, "faint")
    if kind.bytes is None:
        return cell(kind.name), cell(format_count(kind.keys)), absent, absent, absent
    each = _size(kind.bytes // max(1, kind.keys))
    share = format_share(kind.bytes, whole)
    return cell(kind.name), cell(format_count(kind.keys)), Cell(_size(kind.bytes)), Cell(share), Cell(each)


def _number(count: int | None) -> str:
    return ABSENT if count is None else format_count(count)


def _bytes(size: int | None) -> str:
    return ABSENT if size is None else format_bytes(size)


def _size(size: int) -> str:
    """As small as keys are."""
    if size < 10_000:
        return f"{format_count(size)} B"
    return f"{format_count(size // 1024)} KiB" if size < 10_000 * 1024 else format_bytes(size)


def _kib(size: float | None) -> str:
    return ABSENT if size is None else f"{size:,.0f} KiB/s"
