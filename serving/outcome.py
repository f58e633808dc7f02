"""What became of a request, in the words that the availability objective counts by."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Literal

from serving.errors import Overloaded

Outcome = Literal["answered", "rejected", "overloaded", "unavailable", "failed", "left"]

OUTCOMES: Mapping[Outcome, HTTPStatus | None] = {
    "answered": HTTPStatus.OK,
    "rejected": None,
    "overloaded": HTTPStatus.TOO_MANY_REQUESTS,
    "unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    "failed": HTTPStatus.INTERNAL_SERVER_ERROR,
    "left": None,
}
"""Each with its usual status; what is `rejected` or has `left` is the client's and has many."""

BUDGETED_ROUTES = (
    "/predict",
    "/batch_predict",
    "/v2/models/{name}/infer",
    "/v2/models/{name}/versions/{version}/infer",
    "/feedback",
)
"""The routes whose requests the availability objective is about."""


def outcome_of(status: int, problem: str | None) -> Outcome:
    """Whose fault it is that a request was not answered, if it was not.

    Args:
        status: 0 where the client went before an answer began.
        problem: the code of the error that the answer tells.
    """
    if not status:
        return "left"
    if status < HTTPStatus.BAD_REQUEST:
        return "answered"
    # A key used too often has the same status, and is the client's.
    if problem == Overloaded.code:
        return "overloaded"
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return "rejected"
    return "unavailable" if status == HTTPStatus.SERVICE_UNAVAILABLE else "failed"
