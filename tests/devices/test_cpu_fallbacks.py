"""What torch-directml leaves to the CPU is counted, and other warnings are shown as before."""

import logging
import warnings

import pytest
import torch

from actors.devices.cpu_fallbacks import CpuFallbacks


def _warning(operator: str) -> str:
    return (
        f"The operator '{operator}' is not currently supported on the DML backend and will fall back to run on the CPU."
        " This may have performance implications. (Triggered internally at dml_cpu_fallback.cpp:17.)"
    )


@pytest.fixture
def fallbacks(monkeypatch: pytest.MonkeyPatch) -> CpuFallbacks:
    monkeypatch.setattr(torch, "set_warn_always", lambda enabled: None)
    return CpuFallbacks()


def test_each_call_is_counted_and_each_operator_told_once(
    fallbacks: CpuFallbacks, caplog: pytest.LogCaptureFixture
) -> None:
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        fallbacks.listen()
        for operator in ("aten::roll", "aten::cumprod.out", "aten::roll"):
            warnings.warn(_warning(operator), UserWarning, stacklevel=1)

    assert fallbacks.calls == {"aten::roll": 2, "aten::cumprod.out": 1}
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        "DirectML has no kernel for aten::roll; the CPU computes it, which takes longer.",
        "DirectML has no kernel for aten::cumprod.out; the CPU computes it, which takes longer.",
    ]


def test_other_warnings_are_shown_as_before(fallbacks: CpuFallbacks) -> None:
    shown: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, *_: shown.append(str(message))
        fallbacks.listen()
        warnings.warn("a tensor is read-only", UserWarning, stacklevel=1)
        warnings.warn(_warning("aten::roll"), UserWarning, stacklevel=1)

    assert shown == ["a tensor is read-only"]
