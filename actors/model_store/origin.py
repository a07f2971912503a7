"""The one server that models come from, spoken to with Python's own HTTP client.

Not through huggingface_hub: it follows redirects to any host, is configured for the whole process by variables that are
read at import (one of which keeps transformers offline here), and does not check what it has downloaded.
"""

import json
import logging
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import IO, Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from actors.errors import ClusterError, ModelNotFound, ModelRefused, StoreUnreachable

logger = logging.getLogger(__name__)

#: How long a question may take to be answered, and how long a download may stand still.
ANSWER_SECONDS = 10.0

#: No list of a model's files is longer.
MAX_ANSWER_BYTES = 64_000_000


class NotUnderstood(StoreUnreachable):
    """The server answers, and refuses what it was sent as not well-formed (422)."""


class Origin:
    """MODEL_MANAGER_URL. Threads may use it at the same time."""

    def __init__(self, url: str, token: SecretStr | None = None) -> None:
        self.url = url
        self._token = token
        # No proxy of the environment: nothing but MODEL_MANAGER_URL is ever connected to.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _SameOrigin(url))

    def ask(self, path: str, about: str) -> dict[str, Any]:
        """The JSON object at a path.

        Raises:
          ModelNotFound: When there is none (404).
          ModelRefused: When this token may not have it (403).
          StoreUnreachable: When the server does not answer, or not with that.
        """
        return self._exchange(urllib.request.Request(self.url + path, headers=self._headers()), about)

    def tell(self, path: str, fields: Mapping[str, Any], about: str) -> dict[str, Any]:
        """Posts a JSON object; raises what `ask` raises, and `NotUnderstood`."""
        headers = self._headers() | {"Content-Type": "application/json"}
        content = json.dumps(fields).encode()
        return self._exchange(urllib.request.Request(self.url + path, content, headers, method="POST"), about)

    def open(self, path: str, about: str, offset: int = 0) -> HTTPResponse:
        """A file's content from `offset` on, or from its beginning when the answer's status is 200; to be closed."""
        headers = self._headers() | ({"Range": f"bytes={offset}-"} if offset else {})
        return self._open(urllib.request.Request(self.url + path, headers=headers), about)

    def _headers(self) -> dict[str, str]:
        headers = {"User-Agent": "cluster-manager", "Accept-Encoding": "identity"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token.get_secret_value()}"
        return headers

    def _exchange(self, request: urllib.request.Request, about: str) -> dict[str, Any]:
        try:
            with self._open(request, about) as response:
                answer = json.loads(_content(response))
        except (OSError, HTTPException) as error:
            raise StoreUnreachable(f"{about}: {self.url} did not answer to the end: {error!r}") from error
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise StoreUnreachable(f"{about}: {self.url} does not answer with a JSON object; look at MODEL_MANAGER_URL")
        return answer

    def _open(self, request: urllib.request.Request, about: str) -> HTTPResponse:
        try:
            response: HTTPResponse = self._opener.open(request, timeout=ANSWER_SECONDS)
        except urllib.error.HTTPError as error:
            error.close()
            raise self._reason(error.code, request.get_method(), about) from None
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise StoreUnreachable(f"{about}: MODEL_MANAGER_URL={self.url} does not answer: {reason}") from error
        return response

    def _reason(self, status: int, method: str, about: str) -> ClusterError:
        if status == 422 and method == "POST":
            return NotUnderstood(f"{about}: {self.url} refuses what it was sent (422)")
        if status in (404, 422):  # the model-manager's ids are not made of every character
            return ModelNotFound(f"{about} is not at {self.url}")
        if status == 403:
            return ModelRefused(f"{about}: {self.url} does not give it to the owner of MODEL_MANAGER_TOKEN (403)")
        if status == 401:
            # Another worker may have the right one, so this is not the model's fault.
            return StoreUnreachable(f"{about}: {self.url} wants a valid token (401); set MODEL_MANAGER_TOKEN")
        return StoreUnreachable(f"{about}: {self.url} answers {status}; look at its log")


def _content(response: HTTPResponse) -> bytes:
    """All that is sent, in bounded time and size."""
    content, deadline = bytearray(), time.monotonic() + ANSWER_SECONDS
    while chunk := response.read1(MAX_ANSWER_BYTES):
        content += chunk
        if len(content) > MAX_ANSWER_BYTES or time.monotonic() > deadline:
            raise TimeoutError(f"no end after {len(content):,} bytes and up to {ANSWER_SECONDS:.0f} s")
    return bytes(content)


class _SameOrigin(urllib.request.HTTPRedirectHandler):
    """Follows redirects, such as those to a path with a slash at its end, but to no other server."""

    def __init__(self, url: str) -> None:
        self._origin = _origin_of(url)

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request:
        if _origin_of(newurl) != self._origin:
            fp.close()
            raise ModelRefused(
                f"MODEL_MANAGER_URL redirects to {urlsplit(newurl).netloc}, and nothing is fetched from another server;"
                " let it deliver the files itself"
            )
        return urllib.request.Request(newurl, req.data, dict(req.header_items()), method=req.get_method())


def _origin_of(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
