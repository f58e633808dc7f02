"""The web pages: static files, under a policy that lets nothing in from outside."""

from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse, Response
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER = Path(__file__).with_name("web")
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-cache",
}


class _PageFiles(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(_HEADERS)
        return response


def mount(app: FastAPI) -> None:
    """Serve the pages at `/` and `/review`, and their files under `/static`."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def page() -> FileResponse:
        return _page("index.html")

    @router.get("/review")
    async def review() -> FileResponse:
        return _page("review.html")

    app.include_router(router)
    app.mount("/static", _PageFiles(directory=FOLDER), name="static")


def _page(name: str) -> FileResponse:
    path = FOLDER / name
    if not path.is_file():
        raise HTTPException(404, "This server comes without the page.")
    return FileResponse(path, headers=_HEADERS)
