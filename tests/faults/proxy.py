"""A TCP proxy between clients and Redis that loses answers, cuts connections, delays, and stops passing for a time."""

import contextlib
import random
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from enum import Enum, auto

#: How long a delayed command is kept back.
DELAY_SECONDS = 0.2

CHUNK_BYTES = 65_536


class Fault(Enum):
    """What happens to one command."""

    NONE = auto()
    CUT = auto()
    """The connection ends before the command reaches Redis."""
    LOST_REPLY = auto()
    """The command reaches Redis, and the connection ends before its answer comes back."""
    SILENCE = auto()
    """The command reaches Redis, and its answer never comes back on a connection that stays open."""
    DEAFNESS = auto()
    """The command reaches Redis, and nothing ever comes back on its connection any more, which stays open."""
    DELAY = auto()
    """The command reaches Redis late."""


class Trap:
    """One fault for the first command that contains all of some bytes."""

    def __init__(self, fault: Fault, parts: tuple[bytes, ...]) -> None:
        self.fault, self._parts = fault, parts
        self.is_sprung = False

    def catches(self, command: bytes) -> bool:
        """Whether this command is the one."""
        return all(part in command for part in self._parts)


class FaultyProxy:
    """Passes everything on, but for the commands that are to meet a fault."""

    def __init__(self, target_port: int) -> None:
        self._target = ("127.0.0.1", target_port)
        self._traps: list[Trap] = []
        self._chance: Callable[[], Fault] = lambda: Fault.NONE
        self._mutex = threading.Lock()
        self._passing = threading.Event()
        self._passing.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        self.counts = dict.fromkeys(Fault, 0)
        """How many commands have met each fault."""
        _start(self._accept)

    def trap(self, fault: Fault, *parts: bytes) -> Trap:
        """Sets a trap; it springs once."""
        trap = Trap(fault, parts)
        with self._mutex:
            self._traps.append(trap)
        return trap

    def forget_traps(self) -> None:
        """Takes away those that have not sprung."""
        with self._mutex:
            self._traps.clear()

    @contextlib.contextmanager
    def misbehaving(self, choice: random.Random, odds: Mapping[Fault, float]) -> Iterator[None]:
        """Meets commands with faults at random; what is left of the odds is none."""
        faults, weights = [*odds, Fault.NONE], [*odds.values(), 1 - sum(odds.values())]
        self._chance = lambda: choice.choices(faults, weights)[0]
        try:
            yield
        finally:
            self._chance = lambda: Fault.NONE

    def stop_passing(self) -> None:
        """Keeps everything back, both ways, on connections that stay open."""
        self._passing.clear()

    def pass_again(self) -> None:
        """Lets everything through that was kept back."""
        self._passing.set()

    def close(self) -> None:
        """Accepts no further connections."""
        # A listener that another thread waits on is woken by this, and not by `close`.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(self._target)
                except OSError:
                    client.close()  # Redis is away
                    continue
                for connection in (client, server):
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                _Link(client, server, self._passing, self._fault_for)

    def _fault_for(self, command: bytes) -> Fault:
        with self._mutex:
            trap = next((trap for trap in self._traps if trap.catches(command)), None)
            if trap:
                self._traps.remove(trap)
                trap.is_sprung = True
            fault = trap.fault if trap else self._chance()
            self.counts[fault] += 1
            return fault


class _Link:
    """One client's connection; a thread for each direction. What a client sends at once is taken for one command."""

    def __init__(
        self,
        client: socket.socket,
        server: socket.socket,
        passing: threading.Event,
        fault_for: Callable[[bytes], Fault],
    ) -> None:
        self._client, self._server, self._passing, self._fault_for = client, server, passing, fault_for
        self._fault = Fault.NONE
        for direction in (self._pass_commands, self._pass_answers):
            _start(lambda direction=direction: self._run(direction))

    def _pass_commands(self) -> None:
        while command := self._client.recv(CHUNK_BYTES):
            self._passing.wait()
            fault = self._fault_for(command)
            self._fault = self._fault if self._fault is Fault.DEAFNESS else fault
            if self._fault is Fault.CUT:
                return
            if self._fault is Fault.DELAY:
                threading.Event().wait(DELAY_SECONDS)
            self._server.sendall(command)

    def _pass_answers(self) -> None:
        while answer := self._server.recv(CHUNK_BYTES):
            self._passing.wait()
            if self._fault is Fault.LOST_REPLY:
                return
            if self._fault not in (Fault.SILENCE, Fault.DEAFNESS):
                self._client.sendall(answer)

    def _run(self, direction: Callable[[], None]) -> None:
        with contextlib.suppress(OSError):
            direction()
        for connection in (self._client, self._server):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()


def _start(run: Callable[[], None]) -> None:
    threading.Thread(target=run, daemon=True).start()
