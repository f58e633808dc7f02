"""Pages about batches, datasets and what monitoring saw, for who is logged in to Airflow."""

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi import Path as InPath
from fastapi.responses import HTMLResponse, RedirectResponse
from vigie_caller import logged_in

Id = Annotated[str, InPath(pattern=r"^[0-9a-f]{16}$")]
ReportId = Annotated[str, InPath(pattern=r"^[0-9T]{15}-v[0-9A-Za-z]{1,16}-[0-9a-f]{8}$")]
# Evidently's page runs scripts over what clients sent: as an origin of its own it reaches nothing.
_SANDBOX = {"Content-Security-Policy": "sandbox allow-scripts"}
_NO_PAGE = "There is no such page: not yet, or it was made on another machine."
_NO_REPORT = (
    "There is no report yet. The DAG `vigie_monitor` writes one each week; trigger it, or run "
    "`vigie drift`, to have one now."
)


router = APIRouter(dependencies=[Depends(logged_in)], default_response_class=HTMLResponse)


@router.get("/watch")
def watch() -> RedirectResponse:
    """The trend, under the address from which its links lead on."""
    return RedirectResponse("watch/trend.html")


@router.get("/watch/trend.html")
def trend() -> HTMLResponse:
    """A year of reports."""
    from ml.journey.trend import trend_page
    from ml.settings import load_settings

    return _read(trend_page(load_settings().workspace), _NO_REPORT)


@router.get("/watch/{report_id}/summary.html")
def summary(report_id: ReportId) -> HTMLResponse:
    """What one report found, on a page."""
    from ml.settings import load_settings

    return _read(load_settings().workspace.drift_reports / report_id / "summary.html")


@router.get("/watch/{report_id}/report.html")
def charts(report_id: ReportId) -> HTMLResponse:
    """Evidently's charts of one report."""
    from ml.settings import load_settings

    page = _read(load_settings().workspace.drift_reports / report_id / "report.html")
    page.headers.update(_SANDBOX)
    return page


@router.get("/batches")
def batches() -> str:
    """All batches, what became of each, and links to their pages."""
    from ml.data.batches_page import render_batches
    from ml.journey.batches import batches
    from ml.settings import load_settings

    return render_batches(batches(load_settings().workspace))


@router.get("/validation/{batch_id}")
def validation(batch_id: Id) -> HTMLResponse:
    """A batch's Data Docs."""
    from ml.settings import load_settings

    return _page(load_settings().workspace.validation_docs(batch_id))


@router.get("/dataset/{dataset_id}")
def dataset(dataset_id: Id) -> HTMLResponse:
    """A dataset's Data Docs."""
    from ml.settings import load_settings

    return _page(load_settings().workspace.dataset_docs / dataset_id)


def _page(folder: Path) -> HTMLResponse:
    return _read(folder / "index.html")


def _read(page: Path, otherwise: str = _NO_PAGE) -> HTMLResponse:
    """The page, or words that say why there is none: a person has followed a link."""
    if page.is_file():
        return HTMLResponse(page.read_text())
    from ml.evaluation.html_page import render_html

    return HTMLResponse(render_html("No page", f"# No page\n\n{otherwise}", Path()), 404)
