import pytest

from benchmarks.comparison import COLUMNS, Row, table, times_as_good
from benchmarks.peers.systems import BASELINE, SYSTEMS
from benchmarks.queue import choose

FIGURES = {figure: 10.0 for figure, _, _ in COLUMNS}


def row(system: str, processes: int = 1, **figures: float) -> Row:
    return {"system": system, "processes": processes, **FIGURES, **figures}


@pytest.mark.parametrize(
    ("figure", "theirs", "ours", "times"),
    [("idle_p50_ms", 4.0, 2.0, 2.0), ("drain_per_second", 1_000.0, 3_000.0, 3.0), ("drain_per_second", 2.0, 1.0, 0.5)],
)
def test_a_ratio_above_one_is_in_our_favour_for_times_and_for_rates(
    figure: str, theirs: float, ours: float, times: float
) -> None:
    assert times_as_good(figure, {figure: theirs}, {figure: ours}) == times


def test_what_was_not_measured_has_no_ratio() -> None:
    assert times_as_good("idle_p50_ms", {}, FIGURES) is None
    assert times_as_good("idle_p50_ms", FIGURES, {}) is None


def test_rows_are_compared_at_the_same_number_of_processes() -> None:
    rows = [row("ours", 1), row("ours", 2, drain_per_second=40.0), row("peer", 2)]

    peer = table(rows, "ours").splitlines()[-1].split()

    assert "4.00" in peer


def test_a_system_that_failed_is_named_with_its_reason() -> None:
    reason = "failed: no such package, in a sentence that is far wider than any column of figures"

    lines = table([row("ours"), {"system": "peer", "processes": 1, "failed": reason[8:]}], "ours").splitlines()

    assert lines[-1].endswith(reason)
    assert len(lines[1]) < len(lines[0]) + 10


def test_systems_are_chosen_by_name_or_by_time() -> None:
    assert [system.name for system in choose(["rq"], is_quick=True)] == ["rq"]
    assert choose(None, is_quick=False) == list(SYSTEMS)
    assert BASELINE in [system.name for system in choose(None, is_quick=True)]
