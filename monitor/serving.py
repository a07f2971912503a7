"""The dashboard in browsers of this host: one process a visitor, read-only, ended with the server."""

import os
import shlex
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiohttp import web
from textual_serve.server import Server

#: Each visitor costs a process of 60 MB.
MOST_VISITORS = 8

#: Browsers leave this port out of an address.
HTTP_PORT = 80

#: Browsers that do not answer are not waited for at the end.
FAREWELL_SECONDS = 0.5

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def serve(host: str, port: int, arguments: Sequence[str]) -> None:
    """Serves until SIGINT or SIGTERM.

    Args:
      arguments: Those of the monitor that each visitor gets.

    Raises:
      OSError: When the address is taken.
    """
    os.environ["MONITOR_ACTIONS"] = "false"
    command = [sys.executable, "-m", "monitor", *arguments, "--served-by", str(os.getpid())]
    shown = f"[{host}]" if ":" in host else host
    server = Server(_joined(command), host, port, title="Cluster monitor", public_url=f"http://{shown}:{port}")
    web.run_app(_application(server, port), host=host, port=port, print=_say_nothing, shutdown_timeout=FAREWELL_SECONDS)


async def _application(server: Server, port: int) -> web.Application:
    application: web.Application = await server._make_app()
    # Its greeting is a logo; the command has said where it listens.
    application.on_startup.clear()
    application.middlewares.append(_guard(server.public_url, port))
    return application


def _guard(url: str, port: int) -> Any:
    """Refuses pages of others that reach for this address, and keeps this page from reaching for others."""
    host_of_url = url.removeprefix("http://").removesuffix(f":{port}")
    names = {"127.0.0.1", "localhost", "[::1]", host_of_url}
    hosts = {f"{name}:{port}" for name in names} | (names if port == HTTP_PORT else set())
    origins = {f"http://{host}" for host in hosts}
    # The page would fetch a font from Google.
    policy = f"default-src 'self' 'unsafe-inline' data: blob: {url}; connect-src 'self' {url} ws{url[4:]}"
    visitors = 0

    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        nonlocal visitors
        if request.host not in hosts or request.headers.get("Origin", f"http://{request.host}") not in origins:
            raise web.HTTPForbidden(text="This page is for browsers that ask for it by this host's own address.")
        if request.path != "/ws":
            response = await handler(request)
            response.headers["Content-Security-Policy"] = policy
            return response
        if visitors >= MOST_VISITORS:
            raise web.HTTPServiceUnavailable(text=f"{MOST_VISITORS} visitors are here already.")
        visitors += 1
        try:
            return await handler(request)
        finally:
            visitors -= 1

    return web.middleware(guard)


def _joined(command: Sequence[str]) -> str:
    return subprocess.list2cmdline(command) if sys.platform == "win32" else shlex.join(command)


def _say_nothing(*_: object) -> None:
    pass
