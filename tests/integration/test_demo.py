"""The newcomer's first command."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from settings.config import Settings


def _run_demo(settings: Settings, folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "STATE_DIR": str(settings.state_dir), "GPU_DEVICES": "cpu"}
    return subprocess.run(
        [sys.executable, "-m", "actors.demo", *options], cwd=folder, env=environment, capture_output=True, text=True
    )


def test_the_demo_shows_every_actor_and_cleans_up(settings: Settings, tmp_path: Path) -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}

    ended = _run_demo(settings, tmp_path)

    assert ended.returncode == 0, ended.stderr
    for expected in ("Square brackets create a list", "is python code", "64 tasks at once", "python -m monitor"):
        assert expected in ended.stdout
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before


def test_the_demo_prints_json_for_machines(settings: Settings, tmp_path: Path) -> None:
    ended = _run_demo(settings, tmp_path, "--json")

    document = json.loads(ended.stdout)
    assert ended.returncode == 0
    assert document["ok"] is True
    assert document["worker"]["device"]["name"] == "cpu:0"
    assert [task["actor"] for task in document["tasks"][:3]] == ["embed", "generate", "classify"]
    assert len(document["tasks"]) == 3 + 64
    assert all(task["metadata"]["device"] == "cpu:0" and task["ms"] > 0 for task in document["tasks"])


def test_the_demo_says_when_its_models_are_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from actors.demo import models

    monkeypatch.setattr(models, "EMBEDDING_PACKAGE", "no_such_package")

    with pytest.raises(SystemExit, match=r"pip install -c constraints/cpu\.txt"):
        models.build_model_folder(tmp_path)
