"""What Linux's amdgpu driver tells of a card in files of /sys."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from actors.devices.backend import DeviceActivity, DeviceMemory

CARDS = Path("/sys/class/drm")

SOURCE = "amdgpu (sysfs)"


@dataclass(frozen=True)
class AmdCard:
    """One card, in the folder that the kernel names after its PCI address."""

    folder: Path

    @property
    def pci_address(self) -> str:
        """`0000:03:00.0`."""
        return self.folder.name

    @classmethod
    def find(cls, pci_address: str | None, cards: Path = CARDS) -> Self | None:
        """The card at an address; without an address the only one, and never a guess among several."""
        found = {cls(path.parent.resolve()) for path in cards.glob("card*/device/mem_info_vram_total")}
        if pci_address is None:
            return found.pop() if len(found) == 1 else None
        return next((card for card in found if card.pci_address == pci_address), None)

    def memory(self) -> DeviceMemory:
        """Its own memory, and apart from it the RAM that it may use (GTT)."""
        return DeviceMemory(
            total=self._number("mem_info_vram_total"),
            used=self._number("mem_info_vram_used"),
            shared_total=self._number("mem_info_gtt_total"),
            shared_used=self._number("mem_info_gtt_used"),
            source=SOURCE,
        )

    def activity(self) -> DeviceActivity:
        """Read at each beat."""
        busy = self._number("gpu_busy_percent")
        millidegrees = next(map(self._number, self._sensors()), None)
        celsius = None if millidegrees is None else millidegrees / 1000
        return DeviceActivity(busy, celsius, SOURCE if (busy, celsius) != (None, None) else None)

    def _sensors(self) -> list[str]:
        """The edge temperature, which every card has; its number among hwmon's changes from start to start."""
        return [str(path.relative_to(self.folder)) for path in self.folder.glob("hwmon/hwmon*/temp1_input")]

    def _number(self, name: str) -> int | None:
        try:
            return int((self.folder / name).read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None  # a sleeping card refuses to be read
