"""How long models stay is written as for Ollama."""

import math

import pytest

from settings.config import InvalidConfiguration, read_settings
from settings.keep_alive import keep_alive_seconds


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("10m", 600.0),
        ("24h", 86_400.0),
        ("1h30m", 5_400.0),
        ("1.5h", 5_400.0),
        ("500ms", 0.5),
        ("300", 300.0),
        (300, 300.0),
        (2.5, 2.5),
        ("0", 0.0),
        ("0s", 0.0),
        (0, 0.0),
    ],
)
def test_durations_and_seconds_are_read(written: object, seconds: float) -> None:
    assert keep_alive_seconds(written) == pytest.approx(seconds)


@pytest.mark.parametrize("written", ["-1", -1, "-1m", "-0.5", -3.5])
def test_anything_negative_is_for_ever(written: object) -> None:
    assert keep_alive_seconds(written) == math.inf


@pytest.mark.parametrize("written", ["", "ten minutes", "10 m", "m", "1d", True, None, [], math.nan, "1" * 99])
def test_what_is_no_duration_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="allowed are seconds such as 300, durations such as 10m"):
        keep_alive_seconds(written)


def test_a_wrong_setting_ends_the_start_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEP_ALIVE", "a while")

    with pytest.raises(InvalidConfiguration, match=r"KEEP_ALIVE=a while is not valid: .*10m, 24h"):
        read_settings(env_file=None)


def test_models_to_preload_may_name_their_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRELOAD_MODELS", "org/a, classify=org/b@main")

    assert read_settings(env_file=None).preloads == ((None, "org/a"), ("classify", "org/b@main"))


def test_a_task_that_cannot_be_preloaded_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRELOAD_MODELS", "run_pipeline=org/b")

    with pytest.raises(InvalidConfiguration, match="TASK being one of embed, classify, generate"):
        read_settings(env_file=None)
