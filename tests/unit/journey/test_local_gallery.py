import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml.contract.errors import NotFound
from ml.data.image_store import ImageStore
from ml.evaluation.results import EvaluationReport
from ml.journey.evaluation_files import shareable_files
from ml.journey.local_gallery import write_gallery
from ml.journey.results import RunInfo
from ml.journey.run import Run
from ml.journey.workspace import Workspace
from ml.params import load_params
from ml.settings import PROJECT_ROOT
from tests.unit.evaluation.answered import make_answers, outputs_of
from tests.unit.evaluation.conftest import make_cohort, report_of


@dataclass(frozen=True)
class Answered:
    """Sixty stored images and what a model answered."""

    workspace: Workspace
    run: Run
    report: EvaluationReport
    answers: pd.DataFrame
    maps: np.ndarray

    def write(self) -> Path:
        write_gallery(self.workspace, self.run, self.report, self.answers, self.maps)
        return self.run.local_evaluation


@pytest.fixture
def answered(tmp_path: Path) -> Answered:
    workspace = Workspace.at(tmp_path, expectations=PROJECT_ROOT / "expectations")
    params = load_params(PROJECT_ROOT / "params.toml", profile="demo")
    info = RunInfo(
        run_key="weekly-1", dataset_id="d1", members=["cnn"], initialisation="random", reason="",
        git_commit="", started_at=datetime.now(UTC), incumbent_version=None,
        incumbent_run_key=None, mlflow_run_id="", mlflow_url="",
    )  # fmt: skip
    cohort = make_cohort(images=60, clarity=1.5)
    store = ImageStore(workspace.images)
    pixels = np.random.default_rng(0).integers(0, 256, (60, 20, 30), np.uint8)
    answers = make_answers(cohort).assign(image_id=[store.put(image) for image in pixels])
    return Answered(
        workspace,
        Run(workspace.run("weekly-1"), info, params),
        report_of(cohort, params),
        answers,
        outputs_of(cohort).activation_map,
    )


def test_only_the_owner_may_open_the_pages(answered: Answered) -> None:
    answered.run.local_evaluation.mkdir(parents=True, mode=0o755)
    folder = answered.write()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    pages = sorted(folder.iterdir())
    assert [page.name for page in pages] == ["activation.html", "examples.html"]
    assert {stat.S_IMODE(page.stat().st_mode) for page in pages} == {0o600}


def test_the_pages_are_not_among_the_files_to_log(answered: Answered) -> None:
    folder = answered.write()
    figure = answered.run.evaluation / "roc.png"
    figure.write_bytes(b"")
    assert shareable_files(answered.run) == [figure]
    assert list(folder.iterdir())


def test_every_mistake_is_shown_and_every_filled_cell_of_the_confusion_matrix(
    answered: Answered,
) -> None:
    folder = answered.write()
    examples = (folder / "examples.html").read_text()
    wrong = answered.answers.query("label != predicted")
    assert len(wrong) > 3
    assert all(image_id in examples for image_id in wrong["image_id"])
    activation = (folder / "activation.html").read_text()
    filled = sum(count > 0 for row in answered.report.confusion for count in row)
    assert activation.count("<h2>") == filled
    assert "malignant, answered malignant" in activation


def test_a_right_answer_has_one_map_and_a_wrong_one_also_that_of_the_truth(
    answered: Answered,
) -> None:
    activation = (answered.write() / "activation.html").read_text()
    sections = activation.split("<h2>")[1:]
    for section in sections:
        truth, answer = section.split("</h2>")[0].split(", answered ")
        pictures = section.count("<figure")
        assert section.count("<img") == pictures * (2 if truth == answer else 3)


def test_an_image_that_is_gone_is_named(answered: Answered) -> None:
    store = ImageStore(answered.workspace.images)
    for image_id in answered.answers["image_id"]:
        store.path(image_id).unlink()
    with pytest.raises(NotFound, match="There is no image"):
        answered.write()
