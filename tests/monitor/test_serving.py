import contextlib
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import psutil
import pytest

from tests.monitor.chromium import find_chromium, open_page
from tests.waiting import wait_until

CHROMIUM = find_chromium()


@dataclass(frozen=True)
class Served:
    """A monitor that serves the demo."""

    process: "subprocess.Popen[str]"
    port: int

    @property
    def url(self) -> str:
        """Where."""
        return f"http://127.0.0.1:{self.port}"

    def visitors(self) -> list[psutil.Process]:
        """The processes that draw for browsers, and the shells that start them."""
        return psutil.Process(self.process.pid).children(recursive=True)


@contextlib.contextmanager
def serving(repository: Path) -> Iterator[Served]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "monitor", "--demo", "--interval", "0.2", "--serve", f"127.0.0.1:{port}"]
    process = subprocess.Popen(command, cwd=repository, stdout=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: _answers(port), "the monitor serves")
        yield Served(process, port)
    finally:
        process.kill()
        process.communicate()


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@pytest.fixture(scope="module")
def served(repository: Path) -> Iterator[Served]:
    with serving(repository) as served:
        yield served


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here; CHROMIUM names one")
async def test_a_browser_draws_the_cluster_and_its_keys_arrive(served: Served, tmp_path: Path) -> None:
    async with open_page(CHROMIUM or "", tmp_path, served.url) as page:
        await page.wait_until("document.body.classList.contains('-first-byte')")
        await page.wait_until("document.querySelectorAll('.xterm-screen').length > 0")
        assert len(served.visitors()) >= 1

        await page.press("q")

        await page.wait_until("document.body.classList.contains('-closed')")


async def test_what_a_browser_gets_is_read_only(served: Served) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{served.url}/ws?width=120&height=40") as visit:
        drawn = b""
        while b"read-only" not in drawn or b"gpu-07-1444" not in drawn:
            drawn += await visit.receive_bytes(timeout=30)


@pytest.mark.parametrize("headers", [{"Host": "elsewhere.example"}, {"Origin": "http://elsewhere.example"}])
@pytest.mark.parametrize("path", ["/", "/ws"])
async def test_pages_of_others_are_refused(served: Served, path: str, headers: dict[str, str]) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{served.url}{path}", headers=headers) as answer:
        assert answer.status == 403


async def test_the_page_may_reach_for_nothing_but_this_host(served: Served) -> None:
    async with aiohttp.ClientSession() as session, session.get(served.url) as answer:
        assert answer.status == 200
        allowed = f"connect-src 'self' {served.url} ws://127.0.0.1:{served.port}"
        assert answer.headers["Content-Security-Policy"].endswith(allowed)


@pytest.mark.skipif(sys.platform == "win32", reason="a signal ends the server")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL] if sys.platform != "win32" else [])
async def test_what_draws_for_browsers_ends_with_the_server(repository: Path, number: signal.Signals) -> None:
    with serving(repository) as served:
        async with aiohttp.ClientSession() as session, session.ws_connect(f"{served.url}/ws") as visit:
            await visit.receive_bytes(timeout=30)
            visitors = served.visitors()
            assert visitors

            served.process.send_signal(number)

            wait_until(lambda: not any(each.is_running() for each in visitors), "the visitors' processes end")
