"""The model board: what is in production, what waits beside it, and a person's decisions on it."""

import logging
import time
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi import Path as InPath
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse
from vigie_board_form import BoardForm, read_fields, read_form
from vigie_board_page import render_board, render_trouble
from vigie_caller import Caller, caller
from vigie_required_action import answer_question

if TYPE_CHECKING:
    from ml.contract.errors import VigieError
    from ml.journey.board import BoardAction, Served
    from ml.journey.board_pages import PageName
    from ml.settings import Settings

log = logging.getLogger(__name__)
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}
# Evidently's page brings scripts; in a sandbox they are of no origin and reach nothing of Airflow.
_REPORT_HEADERS = {
    **_HEADERS,
    "Content-Security-Policy": (
        "sandbox allow-scripts; default-src 'none'; img-src data: blob:; font-src data:; "
        "style-src 'unsafe-inline'; script-src 'unsafe-inline' 'unsafe-eval'; "
        "frame-ancestors 'none'"
    ),
}
_PAGE_HEADERS = {
    **_HEADERS,
    "Content-Security-Policy": (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
}
_ACTIONS = "promote|refuse|rollback|canary|shadow|withdraw"
_SWITCH_SECONDS, _LOOK_SECONDS = 8.0, 0.25
_STYLE = Path(__file__).parent / "board" / "board.css"

Name = Annotated[str, InPath(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,249}$")]
Who = Annotated[Caller, Depends(caller)]
router = APIRouter(dependencies=[Depends(caller)])


@router.get("/board")
def board(request: Request, who: Who, line: int | None = None) -> Response:
    """The board; `line` is the ledger line of what was just decided."""
    return _page(request, who, done=line)


@router.get("/board.css")
def style() -> Response:
    """The board's style sheet."""
    return Response(_STYLE.read_text(), media_type="text/css", headers=_HEADERS)


@router.get("/board/run/{run_key}/{page}")
def run_page(
    run_key: Name, page: Annotated[str, InPath(pattern="^(evaluation|model_card|decision)$")]
) -> Response:
    """A run's evaluation, model card or gate decision."""
    from ml.contract.errors import NotFound
    from ml.journey.board_pages import run_page as read
    from ml.settings import load_settings

    name: PageName = page  # type: ignore[assignment]  # the pattern holds it
    try:
        text = read(load_settings().workspace, run_key, name)
    except NotFound as error:
        raise HTTPException(404, str(error)) from error
    return HTMLResponse(text, headers=_PAGE_HEADERS)


@router.get("/board/drift/{report_id}")
def drift(report_id: Name) -> Response:
    """A drift report."""
    from ml.contract.errors import NotFound
    from ml.journey.board_pages import drift_page
    from ml.settings import load_settings

    try:
        text = drift_page(load_settings().workspace, report_id)
    except NotFound as error:
        raise HTTPException(404, str(error)) from error
    return HTMLResponse(text, headers=_REPORT_HEADERS)


@router.post("/board/{action}")
async def decide(
    request: Request, who: Who, action: Annotated[str, InPath(pattern=f"^({_ACTIONS})$")]
) -> Response:
    """One decision: done and shown, or told why not, and what to do about it."""
    from ml.contract.errors import VigieError

    chosen: BoardAction = action  # type: ignore[assignment]  # the pattern holds it
    if chosen not in who.may:
        raise HTTPException(403, f"Airflow does not allow you to {action}.")
    fields = await read_fields(request)
    who.check(request, fields.get("token", ""))
    try:
        line = await run_in_threadpool(_decide, chosen, read_form(fields), who)
    except VigieError as error:
        log.warning("%s by %s came to nothing: %s", action, who.actor, error)
        said = fields.get("reason", "")
        return await run_in_threadpool(_page, request, who, problem=error, said=said)
    # Whoever loads the page again must not decide again.
    return RedirectResponse(f"{_root(request)}/board?line={line}", HTTPStatus.SEE_OTHER)


def _decide(action: "BoardAction", form: BoardForm, who: Caller) -> int:
    """Do it by the stages of the journey; the newest ledger line of this person."""
    from ml.journey.run import database_of
    from ml.settings import load_settings
    from ml.store import ledger

    settings = load_settings()
    _act(settings, action, form, who)
    lines = ledger.newest(database_of(settings.workspace), 20)
    return next((line.sequence for line in lines if line.actor == who.actor), 0)


def _act(settings: "Settings", action: "BoardAction", form: BoardForm, who: Caller) -> None:
    from ml.journey import board_decisions as decisions
    from ml.journey.guard import end_trial, start_canary, start_shadow
    from ml.journey.promote import rollback

    workspace = settings.workspace
    told: dict[str, Any] = {"actor": who.actor, "reason": form.reason}
    seen: dict[str, Any] = {"production": form.production or None, **told}
    if action == "promote":
        promotion = decisions.approve_and_promote(workspace, form.version, **seen)
        _answer_question(settings, form, who, approved=True)
        _await_server(settings, promotion.version)
    elif action == "refuse":
        decisions.refuse(workspace, form.version, **seen)
        _answer_question(settings, form, who, approved=False)
    elif action == "rollback":
        promotion = rollback(workspace, expected=form.production or None, **told)
        _await_server(settings, promotion.version)
    elif action == "canary":
        start_canary(workspace, form.version, weight=form.share / 100, **told)
    elif action == "shadow":
        start_shadow(workspace, form.version, **told)
    else:
        end_trial(workspace, form.trial, **told)


def _answer_question(settings: "Settings", form: BoardForm, who: Caller, *, approved: bool) -> None:
    from ml.journey.run import tracker_of
    from ml.registry.models import version_by_number

    run_key = version_by_number(tracker_of(settings.workspace), form.version).run_key
    answer_question(who.user, run_key, approved=approved, reason=form.reason)


def _await_server(settings: "Settings", version: str) -> None:
    """Give the server the seconds that it takes to look and load, so that the page tells of it."""
    deadline = time.monotonic() + _SWITCH_SECONDS
    while time.monotonic() < deadline:
        served = _ask_server(settings)
        if served.trouble or served.version == version:
            return
        time.sleep(_LOOK_SECONDS)


def _ask_server(settings: "Settings") -> "Served":
    from ml.journey.board import Served, ask_server

    try:
        headers = settings.serving_headers
    except OSError:
        return Served(trouble="the key to ask it with cannot be read")
    return ask_server(settings.serving_url, headers)


def _page(
    request: Request,
    who: Caller,
    *,
    done: int | None = None,
    problem: "VigieError | None" = None,
    said: str = "",
) -> Response:
    from ml.contract.errors import VigieError
    from ml.journey.board import read_board
    from ml.settings import load_settings

    status = _status(problem)
    settings = load_settings()
    try:
        facts = read_board(settings.workspace)
    except VigieError as error:
        return HTMLResponse(
            render_trouble(problem or error, root=_root(request)), _status(error), _HEADERS
        )
    page = render_board(
        facts,
        _ask_server(settings),
        who,
        root=_root(request),
        mlflow=_http_only(settings.workspace.tracking_uri),
        done=done,
        problem=problem,
        said=said,
    )
    return HTMLResponse(page, status, _HEADERS)


def _status(problem: "VigieError | None") -> HTTPStatus:
    from ml.contract.errors import InputError, Refusal, Unavailable

    for kind, status in (
        (InputError, HTTPStatus.UNPROCESSABLE_ENTITY),
        (Refusal, HTTPStatus.CONFLICT),
        (Unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    ):
        if isinstance(problem, kind):
            return status
    return HTTPStatus.INTERNAL_SERVER_ERROR if problem else HTTPStatus.OK


def _root(request: Request) -> str:
    return str(request.scope.get("root_path", ""))


def _http_only(address: str) -> str:
    return address if urlsplit(address).scheme in ("http", "https") else ""
