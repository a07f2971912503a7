"""A real child process finds out what a host has, and may crash while it does."""

from pathlib import Path

import pytest

from actors.devices import probe
from actors.devices.probe import failure_of_child, probe_backends

#: What drivers print, and how torch-directml ends on a host without adapters.
CRASH = "print('{'); import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"


@pytest.fixture
def fake_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty `torch_directml` for child processes."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    package = tmp_path / "torch_directml.py"
    package.touch()
    return package


def test_a_host_without_accelerators_says_why_it_has_none_of_each_kind() -> None:
    found = probe_backends("cuda", "xpu", "directml", "cpu")

    if found["cuda"].labels:
        pytest.skip("This host has a GPU.")
    reasons = [found[backend].reason or "" for backend in ("cuda", "xpu", "directml")]
    assert "CUDA" in reasons[0]
    assert "finds no Intel XPU" in reasons[1]
    assert "torch-directml is not installed: pip install" in reasons[2]
    assert len(found["cpu"].labels) == 1


def test_a_backend_that_crashes_is_a_reason_and_hides_no_answer_before_it(fake_package: Path) -> None:
    fake_package.write_text(CRASH, encoding="utf-8")

    found = probe_backends("cpu", "directml")

    assert len(found["cpu"].labels) == 1
    assert found["directml"].labels == ()
    assert found["directml"].reason == "no message (exit code -11)"


def test_a_child_that_does_not_answer_in_time_is_a_reason(fake_package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "TIMEOUT_SECONDS", 0.05)

    assert probe_backends("directml")["directml"].reason == "no answer within 0.05 s"


def test_directml_without_adapters_says_so(directml_site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(directml_site))
    monkeypatch.setenv("FAKE_ADAPTERS", "0")

    assert probe_backends("directml")["directml"].reason == "DirectML finds no adapter"


def test_a_child_that_ends_well_has_no_failure() -> None:
    assert failure_of_child("this") is None


def test_a_childs_failure_is_the_last_thing_that_it_said() -> None:
    failure = failure_of_child("no_such_module") or ""

    assert failure.endswith("No module named no_such_module (exit code 1)")
