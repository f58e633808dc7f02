"""The pages that the model board links to: of a run, and of a drift report."""

import re
from pathlib import Path
from typing import Final, Literal, get_args

from ml.contract.errors import NotFound
from ml.journey.run import Run
from ml.journey.workspace import Workspace

PageName = Literal["evaluation", "model_card", "decision"]
PAGE_NAMES: Final[tuple[PageName, ...]] = get_args(PageName)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def pages_of(run: Run) -> list[PageName]:
    """The pages that the run has."""
    return [name for name in PAGE_NAMES if _file(run, name).is_file()]


def run_page(workspace: Workspace, run_key: str, name: PageName) -> str:
    """A page of a run as HTML that loads nothing; none of them holds pixels.

    Raises:
        NotFound: there is no such run or page here.
    """
    from ml.evaluation.html_page import render_html

    if not _NAME.fullmatch(run_key):
        raise NotFound("There is no such run.", remedy="See `vigie versions`.")
    run = Run.open(workspace, run_key)
    path = _file(run, name)
    if not path.is_file():
        raise NotFound(f"Run {run_key} has no such page.", remedy="Run the stage that writes it.")
    text = path.read_text()
    return text if path.suffix == ".html" else render_html(f"Gates of {run_key}", text, run.folder)


def drift_page(workspace: Workspace, report_id: str) -> str:
    """The page of a drift report.

    Raises:
        NotFound: there is no such report here.
    """
    path = workspace.drift_reports / report_id / "report.html"
    if not _NAME.fullmatch(report_id) or not path.is_file():
        raise NotFound("There is no such report here.", remedy="Run `vigie drift`.")
    return path.read_text()


def _file(run: Run, name: PageName) -> Path:
    return {
        "evaluation": run.evaluation / "evaluation.html",
        "model_card": run.evaluation / "model_card.html",
        "decision": run.decision_page,
    }[name]
