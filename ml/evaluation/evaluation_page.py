"""An evaluation in words: Markdown, which names the figures beside it."""

from collections.abc import Sequence

import pandas as pd

from ml.evaluation.examples import least_certain, mistakes
from ml.evaluation.markdown import table
from ml.evaluation.report_sections import learning_curves, report_sections
from ml.evaluation.results import EvaluationReport

_MISTAKES_SHOWN, _UNCERTAIN_SHOWN = 40, 15
_ID_CHARACTERS = 12
_DECISION = (
    "These are measurements. What the gates made of them is written after this page: in `gate.md` "
    "in the run's folder (in MLflow `gate/gate.md`) and, once the model is registered, in "
    "`model_card.html`."
)


def render_evaluation(title: str, report: EvaluationReport, answers: pd.DataFrame) -> str:
    """Markdown of one evaluation, with its figures, for the folder in which they lie.

    Args:
        answers: as `examples.answer_table` makes them.
    """
    parts = [
        f"# {title}",
        _DECISION,
        *report_sections(report, figures=True),
        "## Learning curves",
        learning_curves(),
        *_examples(report, answers),
    ]
    return "\n\n".join(parts) + "\n"


def _examples(report: EvaluationReport, answers: pd.DataFrame) -> list[str]:
    wrong = mistakes(answers, report.critical_label)
    shown = wrong.head(_MISTAKES_SHOWN)
    return [
        "## Mistakes",
        f"{len(wrong)} of {len(answers)} images, "
        f"{int((wrong['action'] == 'refer').sum())} of them referred to a person. Missed "
        f"{report.critical_label} images first, then by the answer's probability"
        + (f"; the first {len(shown)}" if len(shown) < len(wrong) else "")
        + f". `predictions.parquet` holds all images with their whole ids, of which the first "
        f"{_ID_CHARACTERS} characters stand here.",
        _answers(shown, report.labels) if len(shown) else "None.",
        "## Least certain",
        "The images whose answer has the lowest probability of its own.",
        _answers(least_certain(answers, _UNCERTAIN_SHOWN), report.labels),
    ]


def _answers(rows: pd.DataFrame, labels: Sequence[str]) -> str:
    return table(
        ("image", "truth", "answer", "probability", *(f"P({name})" for name in labels), "referred"),
        [
            (
                f"`{row['image_id'][:_ID_CHARACTERS]}`",
                row["label"],
                row["predicted"],
                f"{row['probability']:.3f}",
                *(f"{row[f'p_{name}']:.3f}" for name in labels),
                row["reasons"] or "no",
            )
            for row in rows.to_dict("records")
        ],
    )
