"""Checks of the devices of this host."""

from collections.abc import Sequence
from functools import cache

from actors.devices.backend import DeviceName
from actors.devices.probe import probe_backends
from actors.devices.selection import ACCELERATORS, Probes, select_devices
from actors.errors import DeviceUnavailable
from scripts.cluster_checks.check import Check
from settings.config import Settings
from settings.records import WorkerRecord

MEND = "install the device's driver and the PyTorch for it, or name other devices in GPU_DEVICES"


def check_devices(settings: Settings, workers: Sequence[WorkerRecord]) -> list[Check]:
    """Each device that GPU_DEVICES names is there; one that a worker has is there too."""
    # A child process asks, so that no driver can hurt this one; anew each time, as this is where one looks for why.
    probe = cache(lambda: probe_backends(*ACCELERATORS))
    try:
        devices = select_devices(settings, probe)
    except DeviceUnavailable as error:
        return [Check("devices", "failed", str(error), MEND)]
    here = [worker for worker in workers if worker.host == settings.host_name]
    served = {worker.device.name: worker.worker_id for worker in here if worker.device}
    found = probe() if any(device.backend != "cpu" for device in devices) else {}
    return [_check_device(device, found, served.get(str(device))) for device in devices]


def _check_device(device: DeviceName, found: Probes, worker_id: str | None) -> Check:
    name, use = f"device {device}", f"in use by {worker_id}" if worker_id else "no worker has it"
    if device.backend == "cpu":
        return Check(name, "ok", use)
    probe = found[device.backend]
    if device.index < len(probe.labels):
        return Check(name, "ok", f"{probe.labels[device.index]}, {use}")
    return Check(name, "failed", probe.reason or f"there are {len(probe.labels)} {device.backend} devices", MEND)
