"""DXCore, which tells of the graphics adapters of Windows and WSL: in torch-directml's order, with bytes in 64 bits."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import c_bool, c_int32, c_size_t, c_ubyte, c_uint16, c_uint32, c_uint64, c_void_p
from dataclasses import dataclass
from typing import Any, Literal

#: Where the system keeps it, on Windows 10 2004 and later, and on WSL.
LIBRARY = "dxcore.dll" if sys.platform == "win32" else "/usr/lib/wsl/lib/libdxcore.so"


class Guid(ctypes.Structure):
    """How COM names an interface or an attribute."""

    _fields_ = [("first", c_uint32), ("second", c_uint16), ("third", c_uint16), ("rest", c_ubyte * 8)]

    @classmethod
    def parse(cls, text: str) -> "Guid":
        """Reads `78ee5945-c36e-4b13-a669-005dd11c0f06`."""
        first, second, third, *rest = text.split("-")
        return cls(int(first, 16), int(second, 16), int(third, 16), (c_ubyte * 8)(*bytes.fromhex("".join(rest))))


FACTORY = Guid.parse("78ee5945-c36e-4b13-a669-005dd11c0f06")
ADAPTER_LIST = Guid.parse("526c7776-40e9-459b-b711-f32ad76dfc28")
ADAPTER = Guid.parse("f0db4c7f-fe5a-42a2-bd62-f2a6cf6fc83e")
D3D12_CORE_COMPUTE = Guid.parse("248e2800-a793-4724-abaa-23a6de1be090")

# Places in the interfaces' tables of methods, after the three that every COM interface has.
RELEASE = 2
CREATE_ADAPTER_LIST, GET_ADAPTER_BY_LUID = 3, 4
GET_ADAPTER, GET_ADAPTER_COUNT, SORT = 3, 4, 7
GET_PROPERTY, GET_PROPERTY_SIZE, IS_QUERY_STATE_SUPPORTED, QUERY_STATE = 6, 7, 8, 9

# Members of DXCoreAdapterProperty, DXCoreAdapterState and DXCoreAdapterPreference.
INSTANCE_LUID, DRIVER_DESCRIPTION, DEDICATED_MEMORY, SHARED_MEMORY, IS_HARDWARE, IS_INTEGRATED = 0, 2, 7, 9, 11, 12
MEMORY_USAGE, PROCESS_MEMORY_USAGE = 2, 3
HIGH_PERFORMANCE = 2

MemoryKind = Literal["dedicated", "shared"]

#: Members of DXCoreMemoryType.
MEMORY_KINDS: dict[MemoryKind, int] = {"dedicated": 0, "shared": 1}


class MemoryUsage(ctypes.Structure):
    """What all processes take of an adapter: promised to them, and there at this moment."""

    _fields_ = [("committed", c_uint64), ("resident", c_uint64)]


class ProcessMemoryUsage(ctypes.Structure):
    """The same of one process, as far as it may be known."""

    _fields_ = [("committed", c_uint64), ("resident", c_uint64), ("is_known", c_bool)]


@dataclass(frozen=True)
class Adapter:
    """One adapter; the LUID is its name until the next start of the system."""

    luid: int
    name: str
    is_hardware: bool
    is_integrated: bool
    dedicated_bytes: int
    shared_bytes: int

    @property
    def identity(self) -> str:
        """`luid_0x00000000_0x0000D1A3`, as the performance counters write it."""
        return f"luid_0x{self.luid >> 32:08X}_0x{self.luid & 0xFFFFFFFF:08X}"


class DXCore:
    """The library, asked anew at each call: it may be called from any thread.

    Raises:
      OSError: From each method, when the library fails.
    """

    def __init__(self, library: Any) -> None:
        self._create = library.DXCoreCreateAdapterFactory
        self._create.restype = c_int32
        self._create.argtypes = [ctypes.POINTER(Guid), ctypes.POINTER(c_void_p)]

    @classmethod
    def load(cls) -> "DXCore":
        """The system's own."""
        return cls(ctypes.CDLL(LIBRARY))

    def adapters(self) -> list[Adapter]:
        """All adapters as torch-directml lists them before it leaves out what is no hardware."""
        with self._factory() as factory, _adapter_list(factory) as listed:
            preference = c_uint32(HIGH_PERFORMANCE)
            _method(listed, SORT, c_int32, c_uint32, c_void_p)(1, ctypes.byref(preference))
            found = []
            for index in range(_method(listed, GET_ADAPTER_COUNT, c_uint32)()):
                get = _method(listed, GET_ADAPTER, c_int32, c_uint32, c_void_p, c_void_p)
                with _opened("GetAdapter", get, index, ctypes.byref(ADAPTER)) as adapter:
                    found.append(_described(adapter))
            return found

    def used_bytes(self, luid: int, kind: MemoryKind) -> int | None:
        """What all processes have in an adapter's memory; None on a Windows that does not tell."""
        usage = MemoryUsage()
        question = (c_uint32 * 2)(0, MEMORY_KINDS[kind])
        return int(usage.resident) if self._query(luid, MEMORY_USAGE, question, usage) else None

    def process_bytes(self, luid: int, kind: MemoryKind, pid: int) -> int | None:
        """What one process holds of an adapter's memory; None on a Windows that does not tell, or not of it."""
        usage = ProcessMemoryUsage()
        question = (c_uint32 * 3)(0, MEMORY_KINDS[kind], pid)
        is_known = self._query(luid, PROCESS_MEMORY_USAGE, question, usage) and usage.is_known
        # What is there at this moment may be less: Windows moves it out when others need the room.
        return int(usage.committed) if is_known else None

    def _query(self, luid: int, state: int, question: Any, answer: Any) -> bool:
        """Fills in the answer; False when there is none."""
        with self._factory() as factory:
            get = _method(factory, GET_ADAPTER_BY_LUID, c_int32, c_void_p, c_void_p, c_void_p)
            name = c_uint64(luid)
            with _opened("GetAdapterByLuid", get, ctypes.byref(name), ctypes.byref(ADAPTER)) as adapter:
                if not _method(adapter, IS_QUERY_STATE_SUPPORTED, c_bool, c_uint32)(state):
                    return False
                query = _method(adapter, QUERY_STATE, c_int32, c_uint32, c_size_t, c_void_p, c_size_t, c_void_p)
                sizes = ctypes.sizeof(question), ctypes.sizeof(answer)
                result = query(state, sizes[0], ctypes.byref(question), sizes[1], ctypes.byref(answer))
                _check(f"QueryState({state})", result)
                return True

    @contextmanager
    def _factory(self) -> Iterator[c_void_p]:
        def create(interface: Any, place: Any) -> int:
            return int(self._create(interface, ctypes.cast(place, ctypes.POINTER(c_void_p))))

        with _opened("DXCoreCreateAdapterFactory", create, ctypes.byref(FACTORY)) as factory:
            yield factory


def _method(interface: c_void_p, slot: int, result: Any, *arguments: Any) -> Any:
    """A method of a COM interface: the pointer in this place of the table that it points to."""
    # 64-bit Windows has one way of calling, so the plain one serves there and on Linux.
    table = ctypes.cast(interface, ctypes.POINTER(ctypes.POINTER(c_void_p)))[0]
    function = ctypes.CFUNCTYPE(result, c_void_p, *arguments)(table[slot])
    return lambda *values: function(interface, *values)


@contextmanager
def _opened(what: str, get: Any, *arguments: Any) -> Iterator[c_void_p]:
    """An interface that a call gives out, released when it is no longer needed."""
    interface = c_void_p()
    _check(what, get(*arguments, ctypes.byref(interface)))
    try:
        yield interface
    finally:
        _method(interface, RELEASE, c_uint32)()


def _adapter_list(factory: c_void_p) -> Any:
    create = _method(factory, CREATE_ADAPTER_LIST, c_int32, c_uint32, c_void_p, c_void_p, c_void_p)
    return _opened("CreateAdapterList", create, 1, ctypes.byref(D3D12_CORE_COMPUTE), ctypes.byref(ADAPTER_LIST))


def _described(adapter: c_void_p) -> Adapter:
    size = c_size_t()
    get_size = _method(adapter, GET_PROPERTY_SIZE, c_int32, c_uint32, c_void_p)
    _check("GetPropertySize", get_size(DRIVER_DESCRIPTION, ctypes.byref(size)))
    name = _property(adapter, DRIVER_DESCRIPTION, ctypes.create_string_buffer(size.value))
    return Adapter(
        luid=_property(adapter, INSTANCE_LUID, c_uint64()),
        name=name.decode("utf-8", "replace").rstrip("\0 "),
        is_hardware=_property(adapter, IS_HARDWARE, c_bool()),
        is_integrated=_property(adapter, IS_INTEGRATED, c_bool()),
        dedicated_bytes=_property(adapter, DEDICATED_MEMORY, c_uint64()),
        shared_bytes=_property(adapter, SHARED_MEMORY, c_uint64()),
    )


def _property(adapter: c_void_p, number: int, buffer: Any) -> Any:
    get = _method(adapter, GET_PROPERTY, c_int32, c_uint32, c_size_t, c_void_p)
    _check(f"GetProperty({number})", get(number, ctypes.sizeof(buffer), ctypes.byref(buffer)))
    return buffer.value


def _check(what: str, result: int) -> None:
    if result < 0:
        raise OSError(f"DXCore's {what} failed with 0x{result & 0xFFFFFFFF:08X}")
