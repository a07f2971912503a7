"""What models took, here and on identical devices."""

from actors.engine.footprints import Footprints
from tests.engine.jobs import model_key

KEY = model_key("org/a")


def test_what_was_measured_here_goes_before_what_others_say() -> None:
    footprints = Footprints()
    footprints.look_up = lambda key, dtype: 5_000
    footprints.note(KEY, "float32", 7_000)

    assert footprints.known(KEY, "float32") == 7_000
    assert footprints.known(KEY, "float16") == 5_000


def test_each_measurement_is_told_once() -> None:
    footprints = Footprints()
    footprints.note(KEY, "float32", 7_000)

    assert footprints.take_untold() == {(KEY, "float32"): 7_000}
    assert footprints.take_untold() == {}
    assert footprints.known(KEY, "float32") == 7_000
