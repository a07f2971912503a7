"""A small server of the Hugging Face Hub's HTTP API over folders, which can cut, corrupt, delay and refuse.

The model-manager's own API is at the same address.
"""

import hashlib
import json
import re
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from tests.model_store.model_manager import ModelManager

_REVISION = re.compile(r"/api/models/([^/]+/[^/]+)/revision/([^/]+)")
_TREE = re.compile(r"/api/models/([^/]+/[^/]+)/tree/([^/]+)")
_FILE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


class HubServer:
    """Serves `root/org/name`. What it does wrong is set from outside, and each request is counted by its path."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.token: str | None = None
        self.status: int | None = None
        self.cut_after_bytes: int | None = None
        self.cuts_left = 0
        self.flips_bytes = False
        self.seconds_per_byte = 0.0
        self.redirect_to: str | None = None
        self.gate: threading.Event | None = None
        self.manager = ModelManager()
        self.requests: list[tuple[str, str]] = []
        self.ranges: list[str] = []
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Goes away."""
        self._server.shutdown()
        self._server.server_close()

    def asked_for(self, end: str) -> int:
        """How many requests got a path that ends so."""
        return Counter(path.endswith(end) for method, path in self.requests if method == "GET")[True]

    def files(self, name: str) -> list[Path]:
        """The files of a model."""
        return sorted(path for path in (self.root / name).rglob("*") if path.is_file())

    def commit(self, name: str) -> str:
        """Names the state of all files."""
        folder = self.root / name
        state = "".join(f"{path.relative_to(folder)} {_sha256(path)}" for path in self.files(name))
        return hashlib.sha1(state.encode(), usedforsecurity=False).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: HubServer

    def log_message(self, *arguments: object) -> None:
        """Nothing: the tests count requests themselves."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self._ask_manager(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append((self.command, path))
        if self.hub.token and self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            self._send_json({"error": "Invalid token"}, 401)
        elif self.hub.status:
            self._send_json({"error": "as the test wants it"}, self.hub.status)
        elif found := _REVISION.fullmatch(path):
            self._send_revision(*found.groups())
        elif found := _TREE.fullmatch(path):
            self._send_json([_described(file, self.hub.root / found[1]) for file in self.hub.files(found[1])])
        elif found := _FILE.fullmatch(path):
            self._send_file(*found.groups())
        else:
            self._ask_manager()

    def _ask_manager(self, content: bytes = b"") -> None:
        answer = self.hub.manager.answer(self.command, unquote(self.path), content)
        self._send_json(answer.body, answer.status, **{"Location": answer.location} if answer.location else {})

    def _send_revision(self, name: str, revision: str) -> None:
        if not (self.hub.root / name).is_dir() or revision not in ("main", self.hub.commit(name)):
            self._send_json({"error": "not found"}, 404, **{"X-Error-Code": "RepoNotFound"})
            return
        siblings = []
        for file in self.hub.files(name):
            described = _described(file, self.hub.root / name)
            lfs = (
                {"sha256": described["lfs"]["oid"], "size": described["size"], "pointerSize": 134}
                if "lfs" in described
                else None
            )
            siblings.append(
                {"rfilename": described["path"], "size": described["size"], "blobId": described["oid"], "lfs": lfs}
            )
        self._send_json({"id": name, "modelId": name, "sha": self.hub.commit(name), "siblings": siblings})

    def _send_file(self, name: str, revision: str, file_name: str) -> None:
        if self.hub.redirect_to and self.hub.redirect_to not in self.path:
            self._send(302, b"", Location=self.hub.redirect_to + self.path)
            return
        file = self.hub.root / name / file_name
        if not file.is_file() or revision not in ("main", self.hub.commit(name)):
            self._send_json({"error": "not found"}, 404, **{"X-Error-Code": "EntryNotFound"})
            return
        content, first, status = file.read_bytes(), 0, 200
        headers = {"ETag": f'"{_sha256(file)}"', "X-Repo-Commit": self.hub.commit(name), "Accept-Ranges": "bytes"}
        if wanted := self.headers.get("Range"):
            self.hub.ranges.append(wanted)
            first, status = int(wanted.removeprefix("bytes=").partition("-")[0]), 206
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        if self.hub.flips_bytes and file.suffix == ".safetensors":
            content = content[:-1] + bytes([content[-1] ^ 1])
        self._send(status, content[first:], is_weights=file.suffix == ".safetensors", **headers)

    def _send_json(self, value: object, status: int = 200, **headers: str) -> None:
        self._send(status, json.dumps(value).encode(), **{"Content-Type": "application/json"} | headers)

    def _send(self, status: int, content: bytes, is_weights: bool = False, **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if is_weights and self.hub.gate:
            self.hub.gate.wait(30)
        if is_weights and self.hub.cuts_left and self.hub.cut_after_bytes is not None:
            self.hub.cuts_left -= 1
            self.wfile.write(content[: self.hub.cut_after_bytes])
            self.wfile.flush()
            self.close_connection = True
            return
        if is_weights and self.hub.seconds_per_byte:
            for byte in content:
                self.wfile.write(bytes([byte]))
                threading.Event().wait(self.hub.seconds_per_byte)
            return
        self.wfile.write(content)


def _described(file: Path, folder: Path) -> dict[str, Any]:
    """A file as the Hub lists it: large ones by their sha256, small ones by git's sha1."""
    content = file.read_bytes()
    header = f"blob {len(content)}\0".encode()
    git = hashlib.sha1(header + content, usedforsecurity=False).hexdigest()
    described = {"type": "file", "oid": git, "size": len(content), "path": file.relative_to(folder).as_posix()}
    if file.suffix == ".safetensors":
        described["lfs"] = {"oid": _sha256(file), "size": len(content), "pointerSize": 134}
    return described


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
