import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ml.evaluation.confusion_figure import draw_confusion
from ml.evaluation.figures import draw_figures
from ml.evaluation.learning_curves import LearningCurves, draw_learning_curves
from ml.evaluation.report import evaluate
from tests.unit.evaluation.conftest import LABELS, POLICY

NAMES = {
    "confusion.png",
    "roc.png",
    "precision_recall.png",
    "reliability.png",
    "critical_probability.png",
    "selective_risk.png",
    "slices.png",
}


def test_the_figures_are_drawn_and_readable(report, cohort, tmp_path):
    paths = draw_figures(tmp_path, report, cohort.probabilities, cohort.truth, POLICY)
    assert {path.name for path in paths} == {file.name for file in tmp_path.iterdir()} == NAMES
    for path in paths:
        with Image.open(path) as image:
            assert min(image.size) > 150
            assert len(image.convert("RGB").getcolors(1 << 20)) > 20


def test_the_same_numbers_give_the_same_file(report, tmp_path):
    first = draw_confusion(report, tmp_path / "1.png")
    assert first.read_bytes() == draw_confusion(report, tmp_path / "2.png").read_bytes()


def test_figures_can_be_drawn_without_slices_or_critical_images(cohort, params, tmp_path):
    benign = cohort.truth == 1
    report = evaluate(
        cohort.probabilities[benign],
        cohort.truth[benign],
        cohort.groups[benign],
        cohort.rows[benign][[]],
        label_names=LABELS,
        policy=POLICY,
        params=params.evaluation.model_copy(update={"bootstrap_rounds": 50}),
    )
    drawn = draw_figures(
        tmp_path, report, cohort.probabilities[benign], cohort.truth[benign], POLICY
    )
    assert len(drawn) == len(NAMES)


@pytest.mark.parametrize(
    "labels",
    [
        ["absent", "present"],
        ["No finding", "Bengin cases", "Malignant cases", "a_rather_long_name_of_a_class", "E"],
    ],
)
def test_figures_take_any_number_and_length_of_labels(labels, params, tmp_path):
    rng = np.random.default_rng(0)
    truth = np.arange(80) % len(labels)
    scores = rng.random((80, len(labels))) + 2 * np.eye(len(labels))[truth]
    probabilities = scores / scores.sum(axis=1, keepdims=True)
    policy = POLICY.model_copy(update={"critical_label": labels[1]})
    report = evaluate(
        probabilities,
        truth,
        np.arange(80).astype(str),
        pd.DataFrame({"site": ["north"] * 80}),
        label_names=labels,
        policy=policy,
        params=params.evaluation.model_copy(update={"bootstrap_rounds": 50}),
    )
    assert len(draw_figures(tmp_path, report, probabilities, truth, policy)) == len(NAMES)


@pytest.mark.parametrize(("epochs", "head"), [(0, 0), (1, 1), (5, 2)])
def test_learning_curves_take_any_number_of_epochs_and_both_phases(epochs, head, tmp_path):
    falling = [1.0 / (1 + epoch) for epoch in range(epochs)]
    curves = LearningCurves(falling, falling, falling, best_epoch=epochs, head_epochs=head)
    path = draw_learning_curves({"resnet50": curves, "cnn": curves}, tmp_path / "curves.png")
    with Image.open(path) as image:
        assert image.width > 1000
