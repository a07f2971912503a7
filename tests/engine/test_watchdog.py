"""When the alarm that ends a stuck process is armed, and what it says first; nobody is ended here."""

import pytest

from actors.engine.watchdog import LAST_WORDS_SECONDS, REARM_SECONDS, STDERR, Watchdog

LIMIT = 60.0
ALLOWANCE = REARM_SECONDS + LAST_WORDS_SECONDS


class FakeClock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self._now = 0.0

    def __call__(self) -> float:
        return self._now

    def pass_seconds(self, seconds: float) -> None:
        self._now += seconds


class FakeAlarm:
    """Remembers what it was told and ends nothing."""

    def __init__(self) -> None:
        self.told: list[float | None] = []

    def dump_traceback_later(self, timeout: float, *, exit: bool, file: int) -> None:
        assert exit
        assert file == STDERR
        self.told.append(timeout)

    def cancel_dump_traceback_later(self) -> None:
        self.told.append(None)


@pytest.fixture
def alarm() -> FakeAlarm:
    return FakeAlarm()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def watchdog(alarm: FakeAlarm, clock: FakeClock) -> Watchdog:
    return Watchdog(alarm, clock)


def test_an_operation_arms_the_alarm_and_rest_disarms_it(watchdog: Watchdog, alarm: FakeAlarm) -> None:
    watchdog.watch("computing", LIMIT)
    watchdog.rest()

    assert alarm.told == [LIMIT + ALLOWANCE, None]


def test_progress_arms_it_anew_once_a_second_at_most(watchdog: Watchdog, alarm: FakeAlarm, clock: FakeClock) -> None:
    watchdog.watch("computing", LIMIT)
    for _ in range(250):
        clock.pass_seconds(0.01)
        watchdog.progress()

    assert alarm.told == [LIMIT + ALLOWANCE] * 3


def test_short_operations_one_after_the_other_share_an_alarm(watchdog: Watchdog, alarm: FakeAlarm) -> None:
    for number in range(10):
        watchdog.watch(f"computing batch {number}", LIMIT)

    assert alarm.told == [LIMIT + ALLOWANCE]


def test_an_operation_with_another_limit_arms_it_at_once(watchdog: Watchdog, alarm: FakeAlarm) -> None:
    watchdog.watch("computing", LIMIT)
    watchdog.watch("loading", 10 * LIMIT)

    assert alarm.told == [LIMIT + ALLOWANCE, 10 * LIMIT + ALLOWANCE]


def test_an_idle_device_thread_is_neither_armed_nor_disarmed(watchdog: Watchdog, alarm: FakeAlarm) -> None:
    watchdog.progress()
    watchdog.rest()

    assert alarm.told == []


def test_the_last_words_say_what_was_being_done_and_for_how_long(
    watchdog: Watchdog, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    watchdog.watch("computing generate with org/name@main", LIMIT)
    clock.pass_seconds(LIMIT - 1)
    assert not watchdog.announce_if_late()

    clock.pass_seconds(1)

    assert watchdog.announce_if_late()
    assert "no progress for 60 s while computing generate with org/name@main" in caplog.text


def test_the_last_words_come_before_the_alarm(watchdog: Watchdog, alarm: FakeAlarm, clock: FakeClock) -> None:
    watchdog.watch("computing", LIMIT)
    clock.pass_seconds(REARM_SECONDS - 0.01)
    watchdog.progress()  # not told to the alarm
    clock.pass_seconds(LIMIT)

    assert watchdog.announce_if_late()
    assert alarm.told == [LIMIT + ALLOWANCE]
    assert clock() + LAST_WORDS_SECONDS <= LIMIT + ALLOWANCE


def test_an_operation_that_got_further_is_not_late(watchdog: Watchdog, clock: FakeClock) -> None:
    watchdog.watch("computing", LIMIT)
    clock.pass_seconds(LIMIT - 1)
    watchdog.progress()
    clock.pass_seconds(LIMIT - 1)

    assert not watchdog.announce_if_late()
