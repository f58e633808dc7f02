"""One module per resource. A handler translates and delegates; it decides nothing."""

from typing import Any

from serving.problems import MEDIA_TYPE, Problem


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What an operation says in OpenAPI about the problems it may answer with."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"model": Problem, "description": "Problem details", "content": content}
        for status in statuses
    }
