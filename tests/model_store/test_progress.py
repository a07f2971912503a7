"""What is told of a model on its way."""

import pytest

from actors.errors import LoadTimedOut
from actors.model_store.progress import Progress


class Clock:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def progress(clock: Clock) -> Progress:
    return Progress("org/a", lambda size: 60 + size / 10, clock)


def test_the_time_that_is_left_is_told_at_the_speed_of_what_came_in_this_phase(
    progress: Progress, clock: Clock
) -> None:
    progress.begin("downloading", total_bytes=1000, done_bytes=400)
    clock.seconds += 10
    progress.add(100)

    told = progress.to_record()

    assert (told.phase, told.done_bytes, told.total_bytes, told.seconds_left) == ("downloading", 500, 1000, 50.0)


def test_no_time_is_told_before_it_can_be_known(progress: Progress, clock: Clock) -> None:
    assert progress.to_record().seconds_left is None
    progress.begin("downloading", total_bytes=1000, done_bytes=400)
    clock.seconds += 10
    assert progress.to_record().seconds_left is None
    progress.begin("downloading", total_bytes=None)
    progress.add(100)
    clock.seconds += 10
    assert progress.to_record().seconds_left is None


def test_what_has_to_come_again_is_not_done(progress: Progress) -> None:
    progress.begin("downloading", total_bytes=1000, done_bytes=400)
    progress.add(-400)

    assert progress.to_record().done_bytes == 0
    assert not progress.has_all_bytes


def test_a_larger_model_may_take_longer(progress: Progress, clock: Clock) -> None:
    clock.seconds += 61
    with pytest.raises(LoadTimedOut, match=r"org/a took longer than 60 s \(looking up\).*MODEL_LOAD_TIMEOUT"):
        progress.check()

    progress.begin("downloading", total_bytes=1000)
    progress.check()
    clock.seconds += 100
    with pytest.raises(LoadTimedOut, match="took longer than 160 s"):
        progress.check()
