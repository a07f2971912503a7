"""A model that failed here is left to others, and not for ever."""

from actors.queueing.restraint import Restraint
from tests.monitor.fakes import FakeClock


def test_a_worker_that_is_drained_or_in_quarantine_takes_no_tasks() -> None:
    restraint = Restraint()
    assert not restraint.takes_none

    restraint.is_draining = True
    assert restraint.takes_none
    restraint.is_draining = False
    restraint.note_quarantine("host/cpu:0", "it fails")
    assert restraint.takes_none


def test_a_shunned_model_is_left_to_others_until_its_time_is_over() -> None:
    clock = FakeClock()
    restraint = Restraint(clock)
    restraint.shun("a", 10)
    restraint.shun("b", 20)
    restraint.shun("b", 5)

    assert restraint.shunned() == {"a", "b"}
    clock.now += 10
    assert restraint.shunned() == {"b"}
    clock.now += 10
    assert restraint.shunned() == set()
