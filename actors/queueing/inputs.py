"""Puts what a request's references stand for in their places, in a worker, before the request is parsed."""

from typing import Any

import orjson
import redis

from actors.errors import InputNotFound, InvalidRequest, StoreUnreachable
from actors.payloads import BlobReference, FileReference, ReadAs, read_as, references_in
from actors.queueing.blobs import Blobs
from actors.queueing.input_folder import InputFolder
from settings.config import Settings


class Inputs:
    """Where references lead."""

    def __init__(self, blobs: Blobs, folder: InputFolder) -> None:
        self._blobs, self._folder = blobs, folder

    def resolve(self, actor: str, fields: dict[str, Any]) -> dict[str, Any]:
        """The fields with values only; without references, the same fields.

        Raises:
          InvalidRequest: When a reference is none, or its content cannot be read as what its field needs.
          RequestTooLarge: When a content has more than MAX_BLOB_BYTES.
          InputNotFound: When a content has expired, or there is no such file.
          StoreUnreachable: When Redis or the folder does not answer.
        """
        references = references_in(actor, fields)
        return {**fields, **{name: self._value(actor, name, named) for name, named in references.items()}}

    def _value(self, actor: str, field: str, reference: BlobReference | FileReference) -> Any:
        try:
            return _decoded(self._content(reference), read_as(field, reference))
        except (InvalidRequest, InputNotFound) as error:
            raise type(error)(f"{actor}: {field}: {error}") from None

    def _content(self, reference: BlobReference | FileReference) -> bytes:
        if isinstance(reference, FileReference):
            return self._folder.read(reference.path)
        try:
            return self._blobs.fetch(reference)
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise StoreUnreachable(f"the content {reference.digest[:12]}… cannot be fetched: {error}") from error


def open_inputs(client: redis.Redis, settings: Settings) -> Inputs:
    """Where a worker finds what requests refer to; `client` is of the result database."""
    blobs = Blobs(client, settings.max_blob_bytes, settings.result_ttl)
    return Inputs(blobs, InputFolder(settings.input_folder, settings.max_blob_bytes))


def _decoded(content: bytes, kind: ReadAs) -> Any:
    try:
        if kind == "json":
            return orjson.loads(content)
        return content.decode() if kind == "text" else content
    except ValueError as error:  # of either kind
        raise InvalidRequest(f"the content cannot be read as {kind}: {error}") from None
