"""A DirectML adapter as Windows knows it: which one it is, how much memory it has, and how busy it is."""

import logging
import os
from dataclasses import dataclass, field

from actors.devices.backend import DeviceActivity, DeviceMemory
from actors.devices.dxcore import Adapter, DXCore, MemoryKind
from actors.devices.gpu_counters import GpuCounters, open_counters

logger = logging.getLogger(__name__)


def choose_adapter(adapters: list[Adapter], index: int, label: str, count: int) -> Adapter | None:
    """The adapter that torch-directml calls `index` and `label` among `count`; None instead of a guess."""
    hardware = [adapter for adapter in adapters if adapter.is_hardware]
    # torch-directml reads this variable in a way of its own, which turns the order around.
    if len(hardware) == count and not os.environ.get("DML_VISIBLE_DEVICES") and hardware[index].name == label:
        return hardware[index]
    namesakes = [adapter for adapter in hardware if adapter.name == label]
    return namesakes[0] if len(namesakes) == 1 else None


@dataclass(frozen=True)
class WindowsAdapter:
    """One adapter, by its LUID."""

    adapter: Adapter
    dxcore: DXCore
    counters: GpuCounters | None = field(default=None)

    @classmethod
    def find(cls, index: int, label: str, count: int) -> "WindowsAdapter | None":
        """Asks DXCore once, when the device is opened: the order may change later, the LUID does not."""
        try:
            dxcore = DXCore.load()
            adapter = choose_adapter(dxcore.adapters(), index, label, count)
        except (OSError, AttributeError) as error:  # a Windows or a WSL without it
            logger.info("The memory of directml:%s is not known: %s", index, error)
            return None
        if adapter is None:
            logger.warning("The memory of directml:%s is not known: Windows lists no %r in its place.", index, label)
            return None
        return cls(adapter, dxcore, open_counters(adapter.identity))

    def memory(self) -> DeviceMemory:
        """Its own memory, and apart from it the RAM that Windows lends it."""
        (used, source), (shared_used, _) = self._used("dedicated"), self._used("shared")
        if self.adapter.is_integrated:
            # It computes in the host's RAM, and what is set aside for it (128 MB, say) bounds nothing.
            return DeviceMemory(
                used_by_process=self._used_by_process("shared"),
                shared_total=self.adapter.shared_bytes,
                shared_used=shared_used,
                source="DXCore",
            )
        return DeviceMemory(
            total=self.adapter.dedicated_bytes or None,
            used=used,
            used_by_process=self._used_by_process("dedicated"),
            shared_total=self.adapter.shared_bytes,
            shared_used=shared_used,
            source=source,
        )

    def activity(self) -> DeviceActivity:
        """Windows tells no temperature."""
        busy = self.counters.busy_percent() if self.counters else None
        return DeviceActivity(busy_percent=busy, source=None if busy is None else "PDH")

    def _used(self, kind: MemoryKind) -> tuple[int | None, str]:
        """The bytes in use, and who told them beside the total, which is DXCore's."""
        try:
            used = self.dxcore.used_bytes(self.adapter.luid, kind)
        except OSError as error:
            logger.debug("%s", error)
            used = None
        if used is None and self.counters:
            used = self.counters.dedicated_bytes() if kind == "dedicated" else self.counters.shared_bytes()
            return used, "DXCore" if used is None else "DXCore (total), PDH (used)"
        return used, "DXCore"

    def _used_by_process(self, kind: MemoryKind) -> int | None:
        """The bytes that this process holds; the counters know the dedicated ones."""
        try:
            held = self.dxcore.process_bytes(self.adapter.luid, kind, os.getpid())
        except OSError as error:
            logger.debug("%s", error)
            held = None
        if held is None and self.counters and kind == "dedicated":
            return self.counters.process_bytes(os.getpid())
        return held
