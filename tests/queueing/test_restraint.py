"""A model that failed here is left to others, and not for ever."""

from actors.queueing.restraint import Restraint
from tests.monitor.fakes import FakeClock


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
