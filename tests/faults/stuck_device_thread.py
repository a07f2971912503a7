"""Imported by a worker, `dramatiq actors tests.faults.stuck_device_thread`: its first batch never lets the GIL go."""

import ctypes
from typing import Any

from actors.engine import device_thread
from actors.engine.tasks.classify import Classify
from settings.config import current_settings

#: In place of the five and a half minutes that TASK_TIMEOUT makes of it.
LIMIT_SECONDS = 3.0

#: Longer than any test waits.
FOR_EVER_SECONDS = 600


def _hold_the_gil(task: Classify, *batch: Any) -> None:
    # PyDLL, unlike CDLL, keeps the GIL during the call: not one thread of this process runs on.
    ctypes.PyDLL(None).sleep(FOR_EVER_SECONDS)


device_thread.STUCK_MARGIN_SECONDS = LIMIT_SECONDS - current_settings().task_timeout
Classify.compute = _hold_the_gil
