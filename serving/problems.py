"""Errors → RFC 9457 problem documents: the one table between the error tree and HTTP."""

import logging
from http import HTTPStatus
from inspect import getdoc
from typing import Any, NamedTuple

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from ml.contract.errors import (
    AlreadyDecided,
    BundleInvalid,
    DeflateBomb,
    EncapsulatedDocument,
    ImageTooLarge,
    InputError,
    NoPixelData,
    NotFound,
    SeveralFrames,
    Unavailable,
    UnreadableImage,
    UnsupportedImage,
    UnsupportedPixels,
    UnsupportedTransferSyntax,
    VigieError,
)
from serving.errors import (
    AnswerHidden,
    AskedTooSoon,
    BodyTooLarge,
    BodyTooSlow,
    HookRefused,
    InvalidRequest,
    LogUnavailable,
    NoModel,
    NotAllowed,
    NotAuthenticated,
    Overloaded,
    TooManyRequests,
)
from serving.schemas import Problem

MEDIA_TYPE = "application/problem+json"
_RETRY_SECONDS = 5
_logger = logging.getLogger(__name__)


class _Kind(NamedTuple):
    error: type[VigieError]
    status: HTTPStatus
    title: str


# The first entry that fits an error describes it, so leaves come before what they derive from.
_TABLE = (
    _Kind(UnreadableImage, HTTPStatus.BAD_REQUEST, "The image cannot be read"),
    _Kind(
        UnsupportedTransferSyntax,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "The transfer syntax is not supported",
    ),
    _Kind(NoPixelData, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The file holds no image"),
    _Kind(EncapsulatedDocument, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The file holds a document"),
    _Kind(SeveralFrames, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The file holds several frames"),
    _Kind(UnsupportedPixels, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The pixels cannot be shown"),
    _Kind(UnsupportedImage, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The type is not supported"),
    _Kind(DeflateBomb, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The image inflates beyond the limit"),
    _Kind(ImageTooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The image is too large"),
    _Kind(BodyTooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is too large"),
    _Kind(BodyTooSlow, HTTPStatus.REQUEST_TIMEOUT, "The request came too slowly"),
    _Kind(InvalidRequest, HTTPStatus.UNPROCESSABLE_ENTITY, "A field is not valid"),
    _Kind(NotAuthenticated, HTTPStatus.UNAUTHORIZED, "A key is needed"),
    _Kind(NotAllowed, HTTPStatus.FORBIDDEN, "The key may not be used for this"),
    _Kind(HookRefused, HTTPStatus.FORBIDDEN, "The webhook is not believed"),
    _Kind(AnswerHidden, HTTPStatus.CONFLICT, "Answer first"),
    _Kind(AlreadyDecided, HTTPStatus.CONFLICT, "Somebody was first"),
    _Kind(NotFound, HTTPStatus.NOT_FOUND, "There is no such thing"),
    _Kind(InputError, HTTPStatus.BAD_REQUEST, "The request cannot be used"),
    _Kind(Overloaded, HTTPStatus.TOO_MANY_REQUESTS, "Too many images are waiting"),
    _Kind(TooManyRequests, HTTPStatus.TOO_MANY_REQUESTS, "The key was used too often"),
    _Kind(NoModel, HTTPStatus.SERVICE_UNAVAILABLE, "No model is loaded"),
    _Kind(LogUnavailable, HTTPStatus.SERVICE_UNAVAILABLE, "Answers cannot be logged"),
    _Kind(Unavailable, HTTPStatus.SERVICE_UNAVAILABLE, "A part does not answer"),
    _Kind(BundleInvalid, HTTPStatus.SERVICE_UNAVAILABLE, "The model does not answer"),
)
_REMEDIES = {
    HTTPStatus.BAD_REQUEST: "Send well-formed JSON, or a well-formed form.",
    HTTPStatus.NOT_FOUND: "See /openapi.json for what there is.",
    HTTPStatus.METHOD_NOT_ALLOWED: "See /openapi.json for what there is.",
}
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


def examples_for(status: int) -> dict[str, dict[str, Any]]:
    """OpenAPI examples of every problem with this status, by the code of its error."""
    return {
        kind.error.code: {
            "summary": kind.title,
            "value": Problem(
                type=f"urn:vigie:problem:{kind.error.code}",
                title=kind.title,
                status=kind.status,
                detail=(getdoc(kind.error) or kind.title).splitlines()[0],
                request_id="6f1d3c9e0b7a4e52a8c4d1f09b6e2a73",
            ).model_dump(exclude_none=True, exclude_defaults=True),
        }
        for kind in _TABLE
        if kind.status == status
    }


def problem_response(
    problem: Problem, *, path: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    """The problem as a response to a request of this path."""
    if path.startswith("/v2"):
        problem = problem.model_copy(update={"error": problem.detail})
    content = problem.model_dump(exclude_none=True)
    return JSONResponse(content, problem.status, headers, media_type=MEDIA_TYPE)


def response_for(error: Exception, *, path: str, request_id: str) -> JSONResponse:
    """Describe any error as a response, with Retry-After where trying again may help."""
    problem = problem_of(error, request_id)
    headers = {}
    if isinstance(error, AskedTooSoon):
        headers["Retry-After"] = str(error.retry_after)
    elif problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(_RETRY_SECONDS)
    elif problem.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return problem_response(problem, path=path, headers=headers)


def install(app: FastAPI) -> None:
    """Make every error of the application a problem document."""

    @app.exception_handler(VigieError)
    async def typed(request: Request, error: VigieError) -> JSONResponse:
        request.app.state.server.metrics.problems.labels(error.code).inc()
        request.state.problem = error.code
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
            remedy=_REMEDIES.get(status, ""),
            request_id=request.state.request_id,
        )
        headers = dict(error.headers) if error.headers else None
        return problem_response(problem, path=request.url.path, headers=headers)
