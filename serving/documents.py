"""The OpenAPI document: what FastAPI derives from the routes, and which key each of them needs."""

from typing import Any

from fastapi import FastAPI

from serving.access import scope_of

_SCHEMES = {
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "A key made with `vigie keys add`; needed where the server has keys.",
    },
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "The same key, or a token of the identity provider.",
    },
}


def install(app: FastAPI) -> None:
    """Add security to the application's document."""
    derive = app.openapi

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = derive()
            schema["components"]["securitySchemes"] = _SCHEMES
            for path, operations in schema["paths"].items():
                for method, operation in operations.items():
                    _secure(operation, scope_of(method.upper(), path))
        return app.openapi_schema or {}

    app.openapi = document  # type: ignore[method-assign]  # FastAPI documents this way


def _secure(operation: dict[str, Any], needed: str) -> None:
    if needed == "public":
        operation["security"] = []
        return
    # A scheme in a list of its own is an alternative; its list names the scope.
    operation["security"] = [{name: [needed]} for name in _SCHEMES]
