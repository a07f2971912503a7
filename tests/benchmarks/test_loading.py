"""The benchmark of loading runs from end to end; its figures here mean nothing."""

import json
import os
import sys
from itertools import product
from types import SimpleNamespace

import pytest

from actors.demo.models import EMBEDDING_MODEL
from actors.devices.backend import backend_module
from benchmarks import loading
from benchmarks.loading import COLD, FLOOR, FROM_PRETRAINED, HOST, MADE_MODEL, OURS, WARM
from settings.config import Settings


def test_each_way_is_measured_from_each_place_and_compared_with_the_bare_copy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cpu = backend_module("cpu").open_device(0, Settings(_env_file=None))
    monkeypatch.setattr(loading, "_open_device", lambda: cpu)
    monkeypatch.setattr(loading, "QUICK_LAYERS", 1)
    monkeypatch.setattr(loading, "QUICK_ATTEMPTS", 1)
    # A collection before each attempt takes longer here than the attempt, with all that tests have imported.
    monkeypatch.setattr(loading, "gc", SimpleNamespace(collect=int, freeze=int, unfreeze=int))
    monkeypatch.setattr(sys, "argv", ["loading", "--quick", "--json"])

    loading.main()

    report = json.loads(capsys.readouterr().out)
    files = (COLD, WARM) if hasattr(os, "posix_fadvise") else (WARM,)
    ways = {*product(files, (FLOOR, FROM_PRETRAINED, OURS)), (HOST, FLOOR), (HOST, OURS)}
    for model in (EMBEDDING_MODEL, MADE_MODEL):
        rows = [row for row in report["rows"] if row["model"] == model]
        assert {(row["source"], row["way"]) for row in rows} == ways
        assert {row["times_floor"] for row in rows if row["way"] == FLOOR} == {1.0}
        assert all(row["megabytes"] > 0 for row in rows)
    assert len(loading._table(report).splitlines()) == 3 + len(report["rows"])
