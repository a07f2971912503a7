from monitor.core.freshness import judge_freshness
from monitor.core.snapshot import Snapshot


def banner(snapshot: Snapshot, age_seconds: float, paused: bool = False) -> str | None:
    words = judge_freshness(snapshot, age_seconds, interval_seconds=1.0, paused=paused).banner
    return words.text if words else None


def test_data_that_are_up_to_date_need_no_words() -> None:
    assert banner(Snapshot(at=1.0), age_seconds=1.0) is None
    assert not judge_freshness(Snapshot(at=1.0), 1.0, 1.0, paused=False).is_stale


def test_an_error_tells_its_age_and_what_one_sees_meanwhile() -> None:
    error = "Redis does not answer at gpu-hub:6379"

    assert banner(Snapshot(error=error), 5.0) == f"✖ {error} (for 5s) - trying again"
    assert banner(Snapshot(at=1.0, error=error), 65.0) == f"✖ {error} (for 1m05s) - showing the last data"
    assert judge_freshness(Snapshot(at=1.0, error=error), 5.0, 1.0, paused=False).is_stale


def test_an_answer_that_does_not_come_is_told_without_an_error_too() -> None:
    assert banner(Snapshot(at=1.0), age_seconds=6.0) == "▲ No answer for 6s"


def test_a_pause_is_told_with_the_age_of_the_data() -> None:
    assert (
        banner(Snapshot(at=1.0), age_seconds=41.0, paused=True)
        == "‖ Paused, data of 41s ago: p goes on, ← → steps, [ ] a minute"
    )
