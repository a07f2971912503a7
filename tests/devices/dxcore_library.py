"""A library that answers as dxcore.dll does: real tables of methods that ctypes calls through pointers."""

import ctypes
import os
from collections.abc import Callable, Sequence
from ctypes import c_bool, c_int32, c_size_t, c_uint32, c_uint64, c_void_p
from dataclasses import dataclass
from typing import Any

from actors.devices.dxcore import (
    ADAPTER,
    ADAPTER_LIST,
    D3D12_CORE_COMPUTE,
    FACTORY,
    Guid,
    MemoryUsage,
    ProcessMemoryUsage,
)

E_INVALIDARG = -2147024809
E_NOINTERFACE = -2147467262

GIGABYTE = 2**30


@dataclass(frozen=True)
class FakeAdapter:
    """What one adapter answers; `used`, and `held` by this process, are None on a Windows that cannot tell."""

    luid: int
    name: str = "AMD Radeon RX 6800"
    dedicated: int = 16 * GIGABYTE
    shared: int = 32 * GIGABYTE
    hardware: bool = True
    integrated: bool = False
    used: tuple[int, int] | None = (0, 0)
    held: Callable[[], int] | None = None


class Interface:
    """A COM object: a pointer to a table of pointers, and a count of those who hold it."""

    def __init__(self, methods: dict[int, Any], slots: int) -> None:
        self.held = 0
        self._methods = {2: ctypes.CFUNCTYPE(c_uint32, c_void_p)(self._release), **methods}
        self._table = (c_void_p * slots)()
        for slot, method in self._methods.items():
            self._table[slot] = ctypes.cast(method, c_void_p).value
        self._object = (c_void_p * 1)(ctypes.addressof(self._table))

    def give_to(self, place: int) -> int:
        self.held += 1
        c_void_p.from_address(place).value = ctypes.addressof(self._object)
        return 0

    def _release(self, this: int) -> int:
        self.held -= 1
        return self.held


def _guid(place: int) -> bytes:
    return ctypes.string_at(place, ctypes.sizeof(Guid))


class DXCoreLibrary:
    """Stands in for `ctypes.CDLL("dxcore.dll")`; `adapters` are in the order of HighPerformance once sorted."""

    def __init__(self, adapters: Sequence[FakeAdapter], factory_result: int = 0) -> None:
        self._order = list(reversed(adapters))
        self._adapters = {adapter.luid: _adapter(adapter) for adapter in adapters}
        self._list = Interface(
            {
                3: _method(self._get_adapter, c_uint32, c_void_p, c_void_p),
                4: ctypes.CFUNCTYPE(c_uint32, c_void_p)(lambda this: len(self._order)),
                7: _method(self._sort, c_uint32, c_void_p),
            },
            slots=9,
        )
        self._factory = Interface(
            {
                3: _method(self._create_list, c_uint32, c_void_p, c_void_p, c_void_p),
                4: _method(self._adapter_by_luid, c_void_p, c_void_p, c_void_p),
            },
            slots=8,
        )

        def create(interface: Any, place: Any) -> int:
            if factory_result or bytes(interface.contents) != bytes(FACTORY):
                return factory_result or E_NOINTERFACE
            return self._factory.give_to(ctypes.addressof(place.contents))

        signature = ctypes.CFUNCTYPE(c_int32, ctypes.POINTER(Guid), ctypes.POINTER(c_void_p))
        self.DXCoreCreateAdapterFactory = signature(create)

    @property
    def held(self) -> int:
        """How many interfaces nobody has released."""
        return sum(interface.held for interface in (self._factory, self._list, *self._adapters.values()))

    def _create_list(self, count: int, attributes: int, interface: int, place: int) -> int:
        asked = (count, _guid(attributes), _guid(interface))
        return (
            self._list.give_to(place) if asked == (1, bytes(D3D12_CORE_COMPUTE), bytes(ADAPTER_LIST)) else E_INVALIDARG
        )

    def _sort(self, count: int, preferences: int) -> int:
        if (count, c_uint32.from_address(preferences).value) != (1, 2):
            return E_INVALIDARG
        self._order.reverse()
        return 0

    def _get_adapter(self, index: int, interface: int, place: int) -> int:
        if _guid(interface) != bytes(ADAPTER):
            return E_NOINTERFACE
        return self._adapters[self._order[index].luid].give_to(place)

    def _adapter_by_luid(self, luid: int, interface: int, place: int) -> int:
        found = self._adapters.get(c_uint64.from_address(luid).value)
        return found.give_to(place) if found and _guid(interface) == bytes(ADAPTER) else E_INVALIDARG


def _method(answer: Callable[..., int], *arguments: Any) -> Any:
    return ctypes.CFUNCTYPE(c_int32, c_void_p, *arguments)(lambda this, *values: answer(*values))


def _adapter(adapter: FakeAdapter) -> Interface:
    properties = {
        0: bytes(c_uint64(adapter.luid)),
        2: adapter.name.encode() + b"\0",
        7: bytes(c_uint64(adapter.dedicated)),
        9: bytes(c_uint64(adapter.shared)),
        11: bytes(c_bool(adapter.hardware)),
        12: bytes(c_bool(adapter.integrated)),
    }

    def get_property(number: int, size: int, place: int) -> int:
        if number not in properties or size != len(properties[number]):
            return E_INVALIDARG
        ctypes.memmove(place, properties[number], size)
        return 0

    def get_property_size(number: int, place: int) -> int:
        c_size_t.from_address(place).value = len(properties[number])
        return 0

    def query_state(state: int, asked_size: int, asked: int, size: int, place: int) -> int:
        sizes = asked_size, size
        if state == 2 and sizes == (8, ctypes.sizeof(MemoryUsage)) and adapter.used:
            _, kind = (c_uint32 * 2).from_address(asked)
            usage = MemoryUsage.from_address(place)
            # More is promised than is there.
            usage.committed, usage.resident = adapter.used[kind] + GIGABYTE, adapter.used[kind]
            return 0
        if state == 3 and sizes == (12, ctypes.sizeof(ProcessMemoryUsage)) and adapter.held:
            _, kind, pid = (c_uint32 * 3).from_address(asked)
            held = ProcessMemoryUsage.from_address(place)
            is_of_its_kind = kind == int(adapter.integrated)
            held.committed, held.resident = adapter.held() if is_of_its_kind else 0, 0
            held.is_known = pid == os.getpid()
            return 0
        return E_INVALIDARG

    def is_supported(this: int, state: int) -> bool:
        return {2: adapter.used, 3: adapter.held}.get(state) is not None

    methods = {
        6: _method(get_property, c_uint32, c_size_t, c_void_p),
        7: _method(get_property_size, c_uint32, c_void_p),
        8: ctypes.CFUNCTYPE(c_bool, c_void_p, c_uint32)(is_supported),
        9: _method(query_state, c_uint32, c_size_t, c_void_p, c_size_t, c_void_p),
    }
    return Interface(methods, slots=13)
