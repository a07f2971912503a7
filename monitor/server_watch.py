"""Ends what draws for a browser when the server that started it has ended."""

import os
import signal
import threading
import time

import psutil

#: Between two looks.
LOOK_SECONDS = 1.0

#: What a shell reports for a process that SIGTERM has ended.
TERMINATED = 128 + signal.SIGTERM


def end_with(server_process: int) -> None:
    """Ends this process at once when that one has ended, whatever the app is at.

    The app cannot see to it: it closes when its input ends, and then waits for ever for somebody who reads.
    """
    threading.Thread(target=_watch, args=(server_process,), name="server-watch", daemon=True).start()


def _watch(server_process: int) -> None:
    while not _has_ended(server_process):
        time.sleep(LOOK_SECONDS)
    os._exit(TERMINATED)


def _has_ended(process_id: int) -> bool:
    try:
        return psutil.Process(process_id).status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return True
