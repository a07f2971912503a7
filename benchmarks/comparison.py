"""A table of systems beside the one that they are compared with."""

from collections.abc import Sequence
from typing import Any

#: Figure, head of its column, and whether a column follows that says how many times as good the baseline is.
COLUMNS = (
    ("idle_p50_ms", "idle p50 ms", True),
    ("idle_p99_ms", "p99 ms", True),
    ("enqueue_per_second", "enqueue/s", False),
    ("drain_per_second", "drain/s", True),
    ("closed_per_second", "closed-32/s", True),
    ("closed_p50_ms", "p50 ms", False),
    ("closed_p99_ms", "p99 ms", False),
    ("worker_cpu_us", "worker CPU us", True),
    ("client_cpu_us", "client CPU us", False),
    ("idle_commands_per_second", "idle commands/s", False),
)

#: The head of a column with ratios.
RATIO = "x"

Row = dict[str, Any]


def times_as_good(figure: str, row: Row, baseline: Row) -> float | None:
    """How many times as good the baseline's figure is as this row's: more than 1 is in the baseline's favour."""
    if not (value := row.get(figure)) or not (own := baseline.get(figure)):
        return None
    ratio: float = value / own if figure.endswith(("_ms", "_us")) else own / value
    return ratio


def table(rows: Sequence[Row], baseline: str) -> str:
    """One line a row; rows are compared with the baseline's at the same number of processes."""
    lines = [["system", "processes", *_heads()], *(_cells(row, _baseline(row, rows, baseline)) for row in rows)]
    full = [line for line in lines if len(line) == len(lines[0])]
    widths = [max(len(line[column]) for line in full) for column in range(len(lines[0]))]
    widths[0] = max(len(line[0]) for line in lines)
    return "\n".join(_aligned(line, widths) for line in lines)


def _heads() -> list[str]:
    return [head for _, name, has_ratio in COLUMNS for head in ((name, RATIO) if has_ratio else (name,))]


def _baseline(row: Row, rows: Sequence[Row], name: str) -> Row:
    same = (other for other in rows if other["system"] == name and other["processes"] == row["processes"])
    return next(same, {})


def _cells(row: Row, baseline: Row) -> list[str]:
    cells = [row["system"], str(row["processes"])]
    if failed := row.get("failed"):
        return [*cells, f"failed: {failed}"]
    for figure, _, has_ratio in COLUMNS:
        cells.append(_number(row.get(figure)))
        if has_ratio:
            ratio = times_as_good(figure, row, baseline)
            cells.append("-" if ratio is None else f"{ratio:.2f}")
    return cells


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    name, *others = line
    cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=False)]
    return "  ".join([name.ljust(widths[0]), *cells])
