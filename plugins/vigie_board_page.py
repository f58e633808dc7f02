"""The model board as HTML: one template, everything that comes from data escaped."""

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

if TYPE_CHECKING:
    from jinja2 import Template
    from vigie_caller import Caller

    from ml.contract.errors import VigieError
    from ml.evaluation.gate_results import DifferenceEstimate
    from ml.evaluation.results import Interval, SliceResult
    from ml.journey.board import ModelBoard, Served, VersionFacts

_FOLDER = Path(__file__).parent / "board"
_CONFIDENCE = 0.95


def render_board(
    board: "ModelBoard",
    served: "Served",
    who: "Caller",
    *,
    root: str,
    mlflow: str,
    done: int | None,
    problem: "VigieError | None",
    said: str,
) -> str:
    """The whole page.

    Args:
        root: path under which the plugin is mounted.
        mlflow: MLflow's address, empty where a browser cannot open it.
        done: the ledger line of what was just decided.
        problem: why the last decision came to nothing; `said` is the reason typed for it.
    """
    return _template("board.html").render(
        board=board,
        served=served,
        who=who,
        token=who.token(),
        root=root,
        mlflow=mlflow,
        done=next((line for line in board.ledger if line.sequence == done), None),
        problem=problem,
        said=said,
        pair=[("Production", board.production), ("Challenger", board.challenger)],
        slices=_slices(board),
        differences=_differences(board),
        now=datetime.now(UTC),
    )


def render_trouble(problem: "VigieError", *, root: str) -> str:
    """A page for when registry or database do not tell the facts."""
    return _template("trouble.html").render(problem=problem, root=root)


def _slices(
    board: "ModelBoard",
) -> "list[tuple[SliceResult | None, SliceResult | None]]":
    """The slices of both models side by side, in the order of the challenger's."""
    production, challenger = (_by_slice(item) for item in (board.production, board.challenger))
    keys = [*challenger, *(key for key in production if key not in challenger)]
    return [(production.get(key), challenger.get(key)) for key in keys]


def _by_slice(version: "VersionFacts | None") -> "dict[tuple[str, str], SliceResult]":
    if version is None or version.evidence is None:
        return {}
    return {(part.dimension, part.value): part for part in version.evidence.report.slices}


def _differences(board: "ModelBoard") -> list[tuple[str, str, str, int]]:
    """What differs, estimate, lower bound, images: the challenger minus production, paired."""
    from ml.evaluation.bounds import difference_lower

    evidence = board.challenger.evidence if board.challenger else None
    if evidence is None or evidence.incumbent.incumbent is None:
        return []
    comparison = evidence.incumbent
    named: dict[str, DifferenceEstimate | None] = {
        "accuracy": comparison.accuracy,
        **{f"{label} sensitivity": value for label, value in comparison.sensitivity.items()},
        **{
            f"accuracy, {part.dimension.replace('_', ' ')} {part.value}": part.accuracy
            for part in comparison.slices
        },
    }
    return [
        (
            name,
            f"{value.estimate:+.3f}",
            f"{difference_lower(value, _CONFIDENCE):+.3f}",
            value.n,
        )
        for name, value in named.items()
        if value is not None
    ]


@cache
def _template(name: str) -> "Template":
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"interval": _interval, "when": _when, "number": _number}
    return environment.get_template(name)


def _interval(value: "Interval | None") -> str:
    if value is None:
        return "not measurable"
    # An interval is read as a whole, so it is not broken over two lines.
    return f"{value.estimate:.3f}\u00a0({value.lower:.3f}\u2060–\u2060{value.upper:.3f})"


def _when(value: datetime) -> str:
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M}\u00a0UTC"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}".rstrip("0").rstrip(".")
