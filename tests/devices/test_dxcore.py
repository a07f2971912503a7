"""DXCore's client against a library with real tables of methods; the real library has not been called."""

import os

import pytest

from actors.devices.dxcore import DXCore
from tests.devices.dxcore_library import GIGABYTE, DXCoreLibrary, FakeAdapter

FAST, SLOW = FakeAdapter(luid=0x1_0000D1A3, name="fast"), FakeAdapter(luid=0xD1B4, name="slow")


def test_adapters_come_in_the_order_of_high_performance() -> None:
    adapters = DXCore(DXCoreLibrary([FAST, SLOW])).adapters()

    assert [adapter.name for adapter in adapters] == ["fast", "slow"]


def test_an_adapter_is_told_by_its_luid_as_the_counters_write_it() -> None:
    (adapter,) = DXCore(DXCoreLibrary([FAST])).adapters()

    assert adapter.identity == "luid_0x00000001_0x0000D1A3"


def test_a_card_of_24_gb_has_24_gb_and_not_the_4095_mb_of_a_32_bit_number() -> None:
    # WMI's AdapterRAM ends at 4 GB, and what reads it shows 4095 MB for every larger card.
    (adapter,) = DXCore(DXCoreLibrary([FakeAdapter(luid=1, dedicated=24 * GIGABYTE)])).adapters()

    assert adapter.dedicated_bytes == 24 * GIGABYTE


def test_what_is_there_counts_as_used_and_not_what_is_promised() -> None:
    dxcore = DXCore(DXCoreLibrary([FakeAdapter(luid=7, used=(5 * GIGABYTE, GIGABYTE))]))

    assert (dxcore.used_bytes(7, "dedicated"), dxcore.used_bytes(7, "shared")) == (5 * GIGABYTE, GIGABYTE)


def test_a_windows_that_does_not_tell_what_is_used_gives_none() -> None:
    assert DXCore(DXCoreLibrary([FakeAdapter(luid=7, used=None)])).used_bytes(7, "dedicated") is None


def test_what_a_process_holds_counts_also_while_it_is_moved_out() -> None:
    dxcore = DXCore(DXCoreLibrary([FakeAdapter(luid=7, held=lambda: 2 * GIGABYTE)]))

    assert dxcore.process_bytes(7, "dedicated", os.getpid()) == 2 * GIGABYTE


def test_a_process_that_windows_does_not_tell_of_gives_none() -> None:
    dxcore = DXCore(DXCoreLibrary([FakeAdapter(luid=7, held=lambda: GIGABYTE), FakeAdapter(luid=8)]))

    assert dxcore.process_bytes(7, "dedicated", os.getpid() + 1) is None
    assert dxcore.process_bytes(8, "dedicated", os.getpid()) is None


def test_every_interface_is_released() -> None:
    library = DXCoreLibrary([FAST, SLOW])
    dxcore = DXCore(library)

    dxcore.adapters()
    dxcore.used_bytes(SLOW.luid, "dedicated")
    with pytest.raises(OSError, match="GetAdapterByLuid"):
        dxcore.used_bytes(99, "dedicated")

    assert library.held == 0


def test_a_failure_is_told_with_windows_own_number() -> None:
    with pytest.raises(OSError, match="DXCoreCreateAdapterFactory failed with 0x80004005"):
        DXCore(DXCoreLibrary([], factory_result=-2147467259)).adapters()
