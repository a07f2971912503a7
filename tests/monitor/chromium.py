"""A real Chromium without a window, told what to do over its debugging protocol."""

import asyncio
import base64
import contextlib
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium() -> str | None:
    """The browser's program, None where there is none; CHROMIUM names another."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)


class Page:
    """The one page of a browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._sent = socket, 0

    async def do(self, method: str, **parameters: Any) -> Any:
        """Sends a command and returns its result."""
        self._sent += 1
        await self._socket.send_json({"id": self._sent, "method": method, "params": parameters})
        while True:
            answer = await self._socket.receive_json(timeout=30)
            if answer.get("id") == self._sent:
                assert "result" in answer, answer
                return answer["result"]

    async def tell(self, expression: str) -> Any:
        """The value of an expression in the page's script."""
        return (await self.do("Runtime.evaluate", expression=expression, returnByValue=True))["result"].get("value")

    async def wait_until(self, expression: str) -> None:
        """Returns as soon as the expression is true."""
        async with asyncio.timeout(30):
            while not await self.tell(expression):
                await asyncio.sleep(0.05)

    async def press(self, key: str) -> None:
        """Presses the key of a letter."""
        await self.tell("document.querySelector('.xterm-helper-textarea').focus()")
        pressed = {"key": key, "windowsVirtualKeyCode": ord(key.upper())}
        await self.do("Input.dispatchKeyEvent", type="keyDown", text=key, **pressed)
        await self.do("Input.dispatchKeyEvent", type="keyUp", **pressed)

    async def picture(self) -> bytes:
        """What it shows, as PNG."""
        return base64.b64decode((await self.do("Page.captureScreenshot"))["data"])


@contextlib.asynccontextmanager
async def open_page(program: str, folder: Path, url: str) -> AsyncIterator[Page]:
    """A browser that shows an address."""
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-port=0")
    process = subprocess.Popen(
        [program, *options, f"--user-data-dir={folder}", "--window-size=1200,700", url],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        async with aiohttp.ClientSession() as session:
            address = await _debugger(session, folder, url)
            async with session.ws_connect(address, max_msg_size=0) as socket:
                yield Page(socket)
    finally:
        process.kill()
        process.wait()


async def _debugger(session: aiohttp.ClientSession, folder: Path, url: str) -> str:
    """Where the page's debugger listens."""
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(FileNotFoundError, ValueError, aiohttp.ClientError):
                port = int((folder / "DevToolsActivePort").read_text().splitlines()[0])
                async with session.get(f"http://127.0.0.1:{port}/json") as answer:
                    for page in await answer.json():
                        if page["type"] == "page" and page["url"].startswith(url):
                            return str(page["webSocketDebuggerUrl"])
            await asyncio.sleep(0.05)
