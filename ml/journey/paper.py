"""Beside stage 7: the same members on a random image split, as papers report it. Never a gate."""

import logging
from collections.abc import Callable
from pathlib import Path

from ml.contract.decoding import Pixels
from ml.evaluation.results import PaperComparison
from ml.journey.evaluate import write_paper
from ml.journey.images import Labels, grids, label_indices
from ml.journey.run import Run
from ml.journey.train import epoch_teller
from ml.journey.workspace import Workspace

log = logging.getLogger(__name__)


def compare_splits(
    workspace: Workspace,
    run_key: str,
    *,
    threads: int = 0,
    on_epoch: Callable[[str], None] | None = None,
) -> list[PaperComparison]:
    """Train `evaluation.paper_members` again on the paper split and test both, member by member.

    Both sides use the float member alone, trained with the same parameters; only the split
    differs, so the difference is what leaks between near-identical images. A run that starts from
    the incumbent is not compared.
    """
    from ml.training.data import TrainingData
    from ml.training.fit import train_member
    from ml.training.process import limit_threads

    run = Run.open(workspace, run_key)
    tell = on_epoch or log.info
    if run.params.training.initialisation == "champion":
        log.info("No paper split: the incumbent has learned from images that would test it.")
        return []
    if threads:
        limit_threads(threads)
    frame = run.frame(workspace)
    images = grids(workspace, run.params.image.spec, frame)
    labels = label_indices(frame, run.params.data.labels)
    paper = frame["paper_split"].to_numpy()
    honest_test = (frame["split"] == "test").to_numpy()
    comparisons = []
    for member in run.params.evaluation.paper_members:
        folder = run.folder / "paper" / member
        train_member(
            member,
            data=TrainingData.of_split(images, labels, paper),
            labels=run.params.data.labels,
            params=run.params.training.of(member),
            spec=run.params.image.spec,
            folder=folder,
            on_epoch=epoch_teller(f"paper split, {member}", run.params.training, tell),
        )
        comparisons.append(
            _compare(
                member,
                _answers(run.member(member), images[honest_test]),
                labels[honest_test],
                _answers(folder, images[paper == "test"]),
                labels[paper == "test"],
                classes=len(run.params.data.labels),
            )
        )
    write_paper(run, comparisons)
    for item in comparisons:
        log.info(
            "%s: accuracy %.3f on the honest split, %.3f on the paper split.",
            item.member,
            item.honest_accuracy,
            item.paper_accuracy,
        )
    return comparisons


def _answers(folder: Path, images: Pixels) -> Labels:
    from ml.training.checkpoint import load_member
    from ml.training.steps import Predictor

    return Predictor(load_member(folder))(images).logits.argmax(axis=1)


def _compare(
    member: str,
    honest: Labels,
    honest_truth: Labels,
    paper: Labels,
    paper_truth: Labels,
    *,
    classes: int,
) -> PaperComparison:
    from ml.evaluation.metrics import accuracy, macro_f1

    return PaperComparison(
        member=member,
        honest_accuracy=accuracy(honest_truth, honest),
        honest_macro_f1=macro_f1(honest_truth, honest, classes),
        paper_accuracy=accuracy(paper_truth, paper),
        paper_macro_f1=macro_f1(paper_truth, paper, classes),
    )
