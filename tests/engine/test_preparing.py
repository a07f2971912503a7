"""Tokenising before and on the device thread."""

import threading
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

from actors.engine.preparing import prepare
from actors.engine.work import Item
from tests.engine.jobs import job


def test_what_has_its_rows_does_not_wait_for_a_thread_that_tokenises_what_comes_next() -> None:
    model: Any = SimpleNamespace(lock=threading.Lock())
    task, prepared = Mock(), job("org/name", Item("text", length=3))

    with model.lock:
        prepare(task, model, [prepared])

    task.prepare.assert_not_called()
