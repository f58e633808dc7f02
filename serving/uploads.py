"""Multipart forms within bounds: few parts, small text fields, no field twice."""

import hashlib
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Form, Request, Response, UploadFile
from fastapi.routing import APIRoute
from starlette.datastructures import FormData
from starlette.requests import Request as StarletteRequest

from serving.answers import Origin
from serving.errors import InvalidRequest
from serving.service import ReadFile

_MAX_FIELDS = 16
_MAX_FIELD_BYTES = 16 * 1024

Place = Annotated[
    str | None,
    Form(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$", examples=["site-a"]),
]
Review = Annotated[
    bool,
    Form(
        description="whether the image's pixels may be kept for review by a person; false where "
        "they may hold text that the file does not declare"
    ),
]


class BoundedFormRoute(APIRoute):
    """A route whose form is parsed with our bounds instead of the framework's."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Hand the framework's handler a request that knows the bounds."""
        handler = super().get_route_handler()

        async def bounded(request: Request) -> Response:
            max_files = request.app.state.server.settings.max_batch_files
            return await handler(_BoundedRequest(request.scope, request.receive, max_files))

        return bounded


class _BoundedRequest(Request):
    def __init__(self, scope: Any, receive: Any, max_files: int) -> None:
        super().__init__(scope, receive)
        self._max_files = max_files

    async def _get_form(self, **_: Any) -> FormData:
        return await StarletteRequest._get_form(
            self,
            max_files=self._max_files,
            max_fields=_MAX_FIELDS,
            max_part_size=_MAX_FIELD_BYTES,
        )


async def origin(request: Request, site: Place = None, scanner: Place = None) -> Origin:
    """The optional form fields that say where images come from.

    Raises:
        InvalidRequest: a field stands in the form twice, so that one value would be ignored.
    """
    names = [name for name, _ in (await request.form()).multi_items() if name != "files"]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InvalidRequest(
            f"The field {repeated[0]} is sent {names.count(repeated[0])} times.",
            remedy="Send it once; several images go to /batch_predict as `files`.",
            details={"field": repeated[0]},
        )
    return Origin(site=site, scanner=scanner)


async def study(study: Place = None) -> str | None:
    """The digest of the optional form field `study`, whose images stay with one model.

    What the client wrote may be an identifier: it goes no further than this function.
    """
    return None if study is None else hashlib.sha256(study.encode()).hexdigest()


def reader(upload: UploadFile) -> ReadFile:
    """Reads the upload's bytes when a worker has time for them, so that waiting costs no memory."""

    def read() -> bytes:
        upload.file.seek(0)
        return upload.file.read()

    return read
