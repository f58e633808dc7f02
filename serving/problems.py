"""Errors → RFC 9457 problem documents: the one table between the error tree and HTTP."""

import logging
from http import HTTPStatus
from typing import Any, NamedTuple

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from ml.contract.errors import (
    BundleInvalid,
    ImageTooLarge,
    InputError,
    NotFound,
    Unavailable,
    UnreadableImage,
    UnsupportedImage,
    VigieError,
)
from serving.errors import BodyTooLarge, InvalidRequest, LogUnavailable, NoModel, Overloaded

MEDIA_TYPE = "application/problem+json"
_RETRY_SECONDS = 5
_logger = logging.getLogger(__name__)


class Problem(BaseModel):
    """RFC 9457 problem details; `remedy` says what to do, `field` which field is meant."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(examples=["urn:vigie:problem:unreadable-image"])
    title: str = Field(examples=["The image cannot be read"])
    status: int = Field(examples=[400])
    detail: str = Field(examples=["The image is damaged or cut short (OSError)."])
    remedy: str = Field("", examples=["Export it again from its source."])
    field: str | None = None
    request_id: str


class _Kind(NamedTuple):
    error: type[VigieError]
    status: HTTPStatus
    title: str


# The first entry that fits an error describes it, so leaves come before what they derive from.
_TABLE = (
    _Kind(UnreadableImage, HTTPStatus.BAD_REQUEST, "The image cannot be read"),
    _Kind(UnsupportedImage, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The type is not supported"),
    _Kind(ImageTooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The image is too large"),
    _Kind(BodyTooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is too large"),
    _Kind(InvalidRequest, HTTPStatus.UNPROCESSABLE_ENTITY, "A field is not valid"),
    _Kind(NotFound, HTTPStatus.NOT_FOUND, "There is no such thing"),
    _Kind(InputError, HTTPStatus.BAD_REQUEST, "The request cannot be used"),
    _Kind(Overloaded, HTTPStatus.TOO_MANY_REQUESTS, "Too many images are waiting"),
    _Kind(NoModel, HTTPStatus.SERVICE_UNAVAILABLE, "No model is loaded"),
    _Kind(LogUnavailable, HTTPStatus.SERVICE_UNAVAILABLE, "Answers cannot be logged"),
    _Kind(Unavailable, HTTPStatus.SERVICE_UNAVAILABLE, "A part does not answer"),
    _Kind(BundleInvalid, HTTPStatus.SERVICE_UNAVAILABLE, "The model does not answer"),
)
_UNEXPECTED = _Kind(VigieError, HTTPStatus.INTERNAL_SERVER_ERROR, "The server made a mistake")


def problem_of(error: Exception, request_id: str) -> Problem:
    """Describe any error; what was not raised on purpose shows nothing of its inside."""
    if not isinstance(error, VigieError):
        return Problem(
            type="urn:vigie:problem:internal",
            title=_UNEXPECTED.title,
            status=_UNEXPECTED.status,
            detail="The request could not be answered.",
            remedy="Tell the operators the request_id.",
            request_id=request_id,
        )
    kind = next((kind for kind in _TABLE if isinstance(error, kind.error)), _UNEXPECTED)
    field = error.details.get("field")
    return Problem(
        type=f"urn:vigie:problem:{error.code}",
        title=kind.title,
        status=kind.status,
        detail=error.message,
        remedy=error.remedy,
        field=str(field) if field is not None else None,
        request_id=request_id,
    )


def problem_response(
    problem: Problem, *, path: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    """The problem as a response. The Open Inference Protocol wants its own `error` member too."""
    content: dict[str, Any] = problem.model_dump(exclude_none=True)
    if path.startswith("/v2"):
        content["error"] = problem.detail
    return JSONResponse(content, problem.status, headers, media_type=MEDIA_TYPE)


def response_for(error: Exception, *, path: str, request_id: str) -> JSONResponse:
    """Describe any error as a response, with Retry-After where trying again may help."""
    problem = problem_of(error, request_id)
    headers = {}
    if isinstance(error, Overloaded):
        headers["Retry-After"] = str(error.retry_after)
    elif problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(_RETRY_SECONDS)
    return problem_response(problem, path=path, headers=headers)


def install(app: FastAPI) -> None:
    """Make every error of the application a problem document."""

    @app.exception_handler(VigieError)
    async def typed(request: Request, error: VigieError) -> JSONResponse:
        request.app.state.server.metrics.problems.labels(error.code).inc()
        return response_for(error, path=request.url.path, request_id=request.state.request_id)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = [str(part) for part in first["loc"] if part not in ("body", "query", "path")]
        field = ".".join(where) or str(first["loc"][0])
        return await typed(
            request,
            InvalidRequest(
                f"{field}: {first['msg']}.",
                remedy="See /openapi.json for what is expected.",
                details={"field": field},
            ),
        )

    @app.exception_handler(HTTPException)
    async def from_framework(request: Request, error: HTTPException) -> JSONResponse:
        status = HTTPStatus(error.status_code)
        code = status.phrase.lower().replace(" ", "-")
        request.app.state.server.metrics.problems.labels(code).inc()
        problem = Problem(
            type=f"urn:vigie:problem:{code}",
            title=status.phrase,
            status=status,
            detail=str(error.detail),
            remedy="See /openapi.json for what there is." if status in (404, 405) else "",
            request_id=request.state.request_id,
        )
        headers = dict(error.headers) if error.headers else None
        return problem_response(problem, path=request.url.path, headers=headers)
