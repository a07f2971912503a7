"""The model-manager's own API, as strict about what it takes as the real one, without the HTTP around it."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

#: Ids have no dot, so that a model like `phi-1.5` cannot be one of them by its own name.
Id = Annotated[str, Field(pattern=r"^[^./]+$")]

_MODEL = re.compile(r"/models/([^/]+)(/download-progress)?")
_HEARTBEAT = re.compile(r"/workers/([^/]+)/heartbeat")


@dataclass(frozen=True)
class Answer:
    """One answer; a redirect has a `location`."""

    status: int = 200
    body: dict[str, Any] = field(default_factory=dict)
    location: str | None = None


class _Worker(BaseModel):
    """What it wants to know of a worker: it has places for five GPUs."""

    id: Id
    gpu_index: int = Field(ge=0, le=4)
    memory_total_gb: float = Field(gt=0)


class _Page(BaseModel):
    page: int = Field(1, ge=1)
    page_size: int = Field(20, ge=1, le=100)


class ModelManager:
    """Models are set from outside, as functions that tell an entry; who has registered and what was posted is kept."""

    def __init__(self) -> None:
        self.models: dict[str, Callable[[], dict[str, Any]]] = {}
        self.workers: dict[str, dict[str, Any]] = {}
        self.posts: list[tuple[str, dict[str, Any]]] = []

    def answer(self, method: str, target: str, content: bytes) -> Answer:
        """What it says to a request; 404 for what it has not, 422 for what it does not understand."""
        parts = urlsplit(target)
        if location := _with_the_right_slash(parts.path):
            return Answer(307, location=location)
        try:
            if method == "POST":
                return self._take(parts.path, json.loads(content))
            return self._tell(parts.path, {name: values[-1] for name, values in parse_qs(parts.query).items()})
        except ValidationError as error:
            return Answer(422, {"detail": json.loads(error.json())})
        except KeyError as error:
            return Answer(404, {"detail": f"{error} not found"})

    def _tell(self, path: str, query: dict[str, str]) -> Answer:
        if path == "/health/":
            return Answer(body={"status": "healthy"})
        if path == "/models/":
            page = _Page.model_validate(query)
            first = (page.page - 1) * page.page_size
            models = [tell() for tell in self.models.values()][first : first + page.page_size]
            return Answer(body={"models": models, "total": len(self.models)} | page.model_dump())
        if found := _MODEL.fullmatch(path):
            entry = self.models[TypeAdapter(Id).validate_python(found[1])]()
            wanted = ("status", "download_progress") if found[2] else entry
            return Answer(body={name: entry.get(name) for name in wanted})
        raise KeyError(path)

    def _take(self, path: str, fields: dict[str, Any]) -> Answer:
        self.posts.append((path, fields))
        if path == "/workers/":
            self.workers[_Worker.model_validate(fields).id] = fields
        elif found := _HEARTBEAT.fullmatch(path):
            _Worker.model_validate(fields)
            self.workers[found[1]].update(fields)
        else:
            raise KeyError(path)
        return Answer(body=fields)


def _with_the_right_slash(path: str) -> str | None:
    """Where a path leads that lacks the slash at its end, or has one too many."""
    if path in ("/models", "/workers", "/health"):
        return f"{path}/"
    is_whole = path in ("/models/", "/workers/", "/health/")
    return path.rstrip("/") if path.endswith("/") and not is_whole else None
