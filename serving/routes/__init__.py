"""One module per resource. A handler translates and delegates; it decides nothing."""

from http import HTTPStatus
from typing import Any

from serving.problems import MEDIA_TYPE, examples_for

_RETRY_AFTER = {
    "Retry-After": {
        "description": "seconds after which trying again may help",
        "schema": {"type": "integer", "minimum": 0},
    }
}
_OF_KEYS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS)
_WORTH_A_RETRY = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


TAGS = [
    {"name": "predict", "description": "Images in, answers or referrals out."},
    {"name": "feedback", "description": "Corrections by people."},
    {"name": "review", "description": "Images that persons label, blinded."},
    {"name": "model", "description": "What answers now."},
    {"name": "health", "description": "For whoever starts and stops the server."},
    {"name": "metrics", "description": "For Prometheus."},
    {
        "name": "open inference protocol",
        "description": "Tensors in, as KServe, Triton and MLServer speak it.",
    },
]


def problems(*statuses: int, keyed: bool = True) -> dict[int | str, dict[str, Any]]:
    """What an operation says in OpenAPI about the problems it may answer with.

    Args:
        keyed: whether it needs a key, which may be missing, too weak or used too often.
    """
    told = {*statuses, *(_OF_KEYS if keyed else ())}
    return {status: _response(status) for status in sorted(told)}


def _response(status: int) -> dict[str, Any]:
    examples = examples_for(status)
    content = {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples}
    response: dict[str, Any] = {
        "description": "; ".join(example["summary"] for example in examples.values()),
        "content": {MEDIA_TYPE: content},
    }
    if status in _WORTH_A_RETRY:
        response["headers"] = _RETRY_AFTER
    return response
