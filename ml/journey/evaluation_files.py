"""What an evaluation leaves behind to be looked at: predictions, figures, pages."""

from pathlib import Path
from typing import TYPE_CHECKING

from ml.contract.bundle import Bundle
from ml.contract.session import ModelOutputs
from ml.evaluation.results import EvaluationReport
from ml.journey.images import Labels
from ml.journey.local_gallery import write_gallery
from ml.journey.run import Run
from ml.journey.workspace import Workspace
from ml.training.results import MemberResult

if TYPE_CHECKING:
    import pandas as pd

    from ml.evaluation.learning_curves import LearningCurves


def leave_behind(
    workspace: Workspace,
    run: Run,
    bundle: Bundle,
    test: "pd.DataFrame",
    outputs: ModelOutputs,
    truth: Labels,
    report: EvaluationReport,
) -> None:
    """Write predictions, figures, `evaluation.md` and `evaluation.html`; pages with pixels go
    into `local/`.

    Args:
        test: the test split's rows, in the order of `outputs` and `truth`.
    """
    from ml.evaluation.evaluation_page import render_evaluation
    from ml.evaluation.examples import answer_table
    from ml.evaluation.figures import draw_figures
    from ml.evaluation.html_page import render_html
    from ml.evaluation.learning_curves import draw_learning_curves
    from ml.training.member_files import read_member

    folder = run.evaluation
    folder.mkdir(parents=True, exist_ok=True)
    answers = answer_table(test, outputs, bundle.labels, bundle.policy)
    answers.to_parquet(folder / "predictions.parquet", index=False)
    draw_figures(folder, report, outputs.probabilities, truth, bundle.policy)
    draw_learning_curves(
        {name: _curves(read_member(run.member(name))) for name in run.info.members},
        folder / "learning_curves.png",
    )
    title = f"Evaluation of {run.info.run_key}"
    words = render_evaluation(title, report, answers)
    (folder / "evaluation.md").write_text(words)
    (folder / "evaluation.html").write_text(render_html(title, words, folder))
    write_gallery(workspace, run, report, answers, outputs.activation_map)


def shareable_files(run: Run) -> list[Path]:
    """The files that hold no pixels: those beside the folder `local`, not in it."""
    return sorted(path for path in run.evaluation.iterdir() if path.is_file())


def _curves(member: MemberResult) -> "LearningCurves":
    from ml.evaluation.learning_curves import LearningCurves

    return LearningCurves(
        loss=[epoch.loss for epoch in member.history],
        validation_loss=[epoch.validation.log_loss for epoch in member.history],
        validation_accuracy=[epoch.validation.accuracy for epoch in member.history],
        best_epoch=member.best_epoch,
        head_epochs=sum(epoch.phase == "head" for epoch in member.history),
    )
