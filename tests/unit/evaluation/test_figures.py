import pytest
from PIL import Image

from ml.evaluation.figures import draw_figures
from ml.evaluation.learning_curves import draw_learning_curves
from ml.evaluation.report import evaluate
from tests.unit.evaluation.conftest import LABELS, POLICY


def test_four_figures_are_drawn_and_readable(report, cohort, tmp_path):
    paths = draw_figures(tmp_path / "figures", report, cohort.probabilities, cohort.truth)
    names = ["confusion.png", "roc.png", "reliability.png", "slices.png"]
    assert [path.name for path in paths] == names
    assert sorted(file.name for file in (tmp_path / "figures").iterdir()) == sorted(names)
    for path in paths:
        with Image.open(path) as image:
            assert min(image.size) > 150
            assert len(image.convert("RGB").getcolors(1 << 20)) > 20


def test_figures_can_be_drawn_without_slices_or_critical_images(cohort, params, tmp_path):
    benign = cohort.truth == 1
    report = evaluate(
        cohort.probabilities[benign],
        cohort.truth[benign],
        cohort.groups[benign],
        cohort.rows[benign][[]],
        label_names=LABELS,
        policy=POLICY,
        params=params.evaluation,
    )
    assert (
        len(draw_figures(tmp_path, report, cohort.probabilities[benign], cohort.truth[benign])) == 4
    )


@pytest.mark.parametrize("epochs", [0, 1, 5])
def test_learning_curves_take_any_number_of_epochs_and_missing_series(epochs, tmp_path):
    history = {"loss": [1.0 / (1 + i) for i in range(epochs)], "val_loss": [1.0] * epochs}
    path = draw_learning_curves({"resnet50": history, "scratch": {}}, tmp_path / "curves.png")
    assert path.stat().st_size > 1000
