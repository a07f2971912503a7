"""Which adapter torch-directml means by an index, and what Windows tells of it."""

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from actors.devices import directml
from actors.devices.backend import DeviceName
from actors.devices.dxcore import DXCore
from actors.devices.gpu_counters import GpuCounters, busy_percent_of_adapter, bytes_of_adapter, open_counters
from actors.devices.windows_adapter import WindowsAdapter
from actors.engine.engine import Engine
from settings.config import Settings
from tests.devices.dxcore_library import GIGABYTE, DXCoreLibrary, FakeAdapter

IDENTITY = "luid_0x00000000_0x0000D1A3"

RADEON = FakeAdapter(luid=0xD1A3, used=(3 * GIGABYTE, GIGABYTE))
TWIN = FakeAdapter(luid=0xD1B4, used=(9 * GIGABYTE, 0))
SOFTWARE = FakeAdapter(luid=0xD000, name="Microsoft Basic Render Driver", dedicated=0, hardware=False)
INTEGRATED = FakeAdapter(luid=0xD1C5, name="AMD Radeon(TM) Graphics", dedicated=GIGABYTE // 8, integrated=True)

#: Written after the documented form of the counters' names; not recorded on a host.
MEMORY = {
    "luid_0x00000000_0x0000d1a3_phys_0": 2 * GIGABYTE,
    "luid_0x00000000_0x0000d1b4_phys_0": 7 * GIGABYTE,
    "luid_0x00000000_0x00000d1a_phys_0": 0,
}
PROCESSES = {
    f"pid_{os.getpid()}_luid_0x00000000_0x0000d1a3_phys_0": GIGABYTE,
    f"pid_{os.getpid()}_luid_0x00000000_0x0000d1b4_phys_0": 5 * GIGABYTE,
    f"pid_{os.getpid()}1_luid_0x00000000_0x0000d1a3_phys_0": 9 * GIGABYTE,
}
ENGINES = {
    "pid_4711_luid_0x00000000_0x0000D1A3_phys_0_eng_0_engtype_3D": 20.0,
    "pid_4712_luid_0x00000000_0x0000D1A3_phys_0_eng_0_engtype_3D": 15.5,
    "pid_4711_luid_0x00000000_0x0000D1A3_phys_0_eng_3_engtype_Compute 0": 12.0,
    "pid_4713_luid_0x00000000_0x0000D1B4_phys_0_eng_0_engtype_3D": 99.0,
}


class PdhError(Exception):
    """`pywintypes.error`, which win32pdh calls `error`."""


class FakePdh:
    """The functions of win32pdh that are called, with written values; a rate's first reading fails, as PDH's does."""

    PDH_FMT_LARGE, PDH_FMT_DOUBLE = 0x400, 0x200
    error = PdhError

    def __init__(self) -> None:
        self._paths: list[str] = []
        self._readings: dict[int, int] = {}

    def OpenQuery(self) -> int:  # noqa: N802  # its name
        return len(self._paths)

    def AddEnglishCounter(self, query: int, path: str) -> int:  # noqa: N802
        self._paths.append(path)
        return query

    def CollectQueryData(self, query: int) -> None:  # noqa: N802
        self._readings[query] = self._readings.get(query, 0) + 1

    def GetFormattedCounterArray(self, counter: int, value_format: int) -> dict[str, Any]:  # noqa: N802
        if self._paths[counter].startswith(r"\GPU Adapter Memory(*)"):
            assert value_format == self.PDH_FMT_LARGE
            return MEMORY
        if self._paths[counter].startswith(r"\GPU Process Memory(*)"):
            assert value_format == self.PDH_FMT_LARGE
            return PROCESSES
        if self._readings[counter] < 2:
            raise PdhError(0xC0000BC6, "GetFormattedCounterArray", "the data is not valid")
        return ENGINES


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Has DXCore list some adapters, and pywin32 be there or not."""
    monkeypatch.delenv("DML_VISIBLE_DEVICES", raising=False)

    def show(adapters: Sequence[FakeAdapter], *, pywin32: bool = False) -> None:
        monkeypatch.setattr(DXCore, "load", lambda: DXCore(DXCoreLibrary(adapters)))
        # None makes the import fail.
        monkeypatch.setitem(sys.modules, "win32pdh", FakePdh() if pywin32 else None)

    return show


def found(index: int, label: str, count: int) -> WindowsAdapter:
    adapter = WindowsAdapter.find(index, label, count)
    assert adapter
    return adapter


@pytest.mark.parametrize(("index", "identity"), [(0, IDENTITY), (1, "luid_0x00000000_0x0000D1B4")])
def test_identical_cards_are_told_apart_by_their_place_and_luid(index: int, identity: str, windows: Any) -> None:
    windows([SOFTWARE, RADEON, TWIN])

    assert found(index, RADEON.name, 2).adapter.identity == identity


def test_a_card_out_of_its_place_is_found_by_a_name_that_is_its_alone(windows: Any) -> None:
    windows([RADEON, INTEGRATED])

    assert found(0, INTEGRATED.name, 1).adapter.name == INTEGRATED.name


def test_identical_cards_out_of_their_places_are_not_guessed(windows: Any) -> None:
    windows([RADEON, TWIN, INTEGRATED])

    assert WindowsAdapter.find(0, RADEON.name, 2) is None


def test_identical_cards_that_a_variable_reorders_are_not_guessed(
    windows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows([RADEON, TWIN])
    monkeypatch.setenv("DML_VISIBLE_DEVICES", "0,1,")

    assert WindowsAdapter.find(0, RADEON.name, 2) is None


def test_without_dxcore_nothing_is_known() -> None:
    assert WindowsAdapter.find(0, RADEON.name, 1) is None


def test_the_ram_that_windows_lends_a_card_is_not_the_cards() -> None:
    # 31.89 GB is half the RAM of a host with 64 GB, which some count as the memory of a card with 8 GB.
    lent = int(31.89 * GIGABYTE)
    library = DXCoreLibrary([FakeAdapter(luid=1, dedicated=8 * GIGABYTE, shared=lent, used=(GIGABYTE, 0))])
    dxcore = DXCore(library)

    memory = WindowsAdapter(dxcore.adapters()[0], dxcore).memory()

    assert (memory.total, memory.used, memory.shared_total) == (8 * GIGABYTE, GIGABYTE, lent)
    assert memory.source == "DXCore"


def test_what_is_set_aside_for_an_integrated_gpu_is_not_all_that_it_has(windows: Any) -> None:
    windows([INTEGRATED])

    memory = found(0, INTEGRATED.name, 1).memory()

    assert (memory.total, memory.used, memory.shared_total) == (None, None, 32 * GIGABYTE)


def test_the_counters_tell_what_is_used_where_dxcore_does_not(windows: Any) -> None:
    windows([FakeAdapter(luid=0xD1A3, used=None)], pywin32=True)

    memory = found(0, RADEON.name, 1).memory()

    assert (memory.total, memory.used) == (16 * GIGABYTE, 2 * GIGABYTE)
    assert memory.source == "DXCore (total), PDH (used)"


@pytest.mark.parametrize("card", [RADEON, INTEGRATED], ids=["a card", "an integrated one"])
def test_dxcore_tells_what_this_process_holds(card: FakeAdapter, windows: Any) -> None:
    windows([replace(card, held=lambda: 3 * GIGABYTE)], pywin32=True)

    assert found(0, card.name, 1).memory().used_by_process == 3 * GIGABYTE


def test_the_counters_tell_what_this_process_holds_where_dxcore_does_not(windows: Any) -> None:
    windows([RADEON], pywin32=True)

    assert found(0, RADEON.name, 1).memory().used_by_process == GIGABYTE


def test_nobody_who_tells_what_this_process_holds_is_none_and_not_zero(windows: Any) -> None:
    windows([RADEON])

    assert found(0, RADEON.name, 1).memory().used_by_process is None


def test_an_adapter_without_memory_of_its_own_has_no_total(windows: Any) -> None:
    windows([replace(RADEON, dedicated=0)])

    assert found(0, RADEON.name, 1).memory().total is None


def test_nobody_who_tells_what_is_used_is_none_and_not_zero(windows: Any) -> None:
    windows([FakeAdapter(luid=0xD1A3, used=None)])

    assert found(0, RADEON.name, 1).memory().used is None


def test_the_counters_of_other_adapters_do_not_count() -> None:
    assert bytes_of_adapter(MEMORY, IDENTITY) == 2 * GIGABYTE
    assert bytes_of_adapter(MEMORY, "luid_0x00000000_0x0000FFFF") is None
    assert busy_percent_of_adapter({}, IDENTITY) is None


def test_an_adapter_is_as_busy_as_its_busiest_engine() -> None:
    assert busy_percent_of_adapter(ENGINES, IDENTITY) == 35.5


def test_how_busy_it_is_is_known_from_the_second_reading_on() -> None:
    counters = GpuCounters(FakePdh(), IDENTITY)

    assert [counters.busy_percent(), counters.busy_percent()] == [None, 35.5]


def test_reading_the_memory_does_not_shorten_the_time_that_a_rate_is_of() -> None:
    counters = GpuCounters(FakePdh(), IDENTITY)

    counters.busy_percent()
    queries = {id(counter): counter._query for counter in (counters._dedicated, counters._shared, counters._busy)}

    assert len(set(queries.values())) == 3


def test_a_windows_without_these_counters_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(query: int, path: str) -> int:
        raise PdhError("no such object")

    pdh = SimpleNamespace(OpenQuery=lambda: 0, AddEnglishCounter=refuse, error=PdhError, PDH_FMT_LARGE=0)
    monkeypatch.setitem(sys.modules, "win32pdh", pdh)

    assert open_counters(IDENTITY) is None


def test_a_directml_device_tells_what_windows_tells(adapters: ModuleType, windows: Any) -> None:
    windows([FakeAdapter(luid=0xD1A3, name="Fake Adapter"), FakeAdapter(luid=0xD1B4, name="Fake Adapter")])

    device = directml._open_here(1)

    assert device.identity == "luid_0x00000000_0x0000D1B4"
    assert device.memory().total == 16 * GIGABYTE


def test_a_directml_device_that_windows_does_not_know_shows_no_invented_1024_mb(adapters: ModuleType) -> None:
    # torch-directml tells no total, and what needs one there writes 1 GiB.
    device = directml._open_here(1)

    assert (device.memory().total, device.memory().used, device.identity) == (None, None, None)
    assert device.memory().source == "torch-directml (this process)"


def test_models_may_fill_the_set_fraction_of_a_directml_card(
    adapters: ModuleType, windows: Any, tmp_path: Path
) -> None:
    windows([FakeAdapter(luid=0xD1A3, name="Fake Adapter"), FakeAdapter(luid=0xD1B4, name="Fake Adapter")])
    settings = Settings(_env_file=None, gpu_memory_fraction=0.5, state_dir=tmp_path, model_manager_path=tmp_path)
    engine = Engine(DeviceName("directml", 1), settings)

    engine.start()

    assert engine.status().budget_bytes == 8 * GIGABYTE
    engine.stop()
