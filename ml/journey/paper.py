"""Beside stage 7: the same members on a random image split, as papers report it. Never a gate."""

import logging
from collections.abc import Callable

import numpy as np

from ml.evaluation.results import PaperComparison
from ml.journey.evaluate import write_paper
from ml.journey.images import grids, label_indices
from ml.journey.run import Run
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
    differs, so the difference is what leaks between near-identical images.
    """
    from ml.training.fit import TrainingData, predict_logits, train_member

    run = Run.open(workspace, run_key)
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
            data=TrainingData(
                train_images=images[paper == "train"],
                train_labels=labels[paper == "train"],
                validation_images=images[paper == "validation"],
                validation_labels=labels[paper == "validation"],
            ),
            labels=run.params.data.labels,
            params=run.params.training,
            spec=run.params.image.spec,
            folder=folder,
            champion=None,
            threads=threads,
            on_epoch=on_epoch or log.info,
        )
        comparisons.append(
            _compare(
                member,
                predict_logits(run.member(member), images[honest_test]).argmax(axis=1),
                labels[honest_test],
                predict_logits(folder, images[paper == "test"]).argmax(axis=1),
                labels[paper == "test"],
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


def _compare(
    member: str, honest: np.ndarray, honest_truth: np.ndarray, paper: np.ndarray, paper_truth: np.ndarray
) -> PaperComparison:
    from ml.evaluation.metrics import accuracy, macro_f1

    return PaperComparison(
        member=member,
        honest_accuracy=accuracy(honest_truth, honest),
        honest_macro_f1=macro_f1(honest_truth, honest),
        paper_accuracy=accuracy(paper_truth, paper),
        paper_macro_f1=macro_f1(paper_truth, paper),
    )
