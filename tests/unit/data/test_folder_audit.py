from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.contract.errors import InputError
from ml.data.folder_audit import audit_folder
from ml.data.landing import discover
from ml.data.phantoms import SCANNERS, render_phantom
from ml.data.results import FolderAudit
from tests.unit.data.home import BY, PROJECT, small_params

BUSI = PROJECT.parent / "shared" / "data" / "busi"


def _save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten phantoms a label, the first four of each also brighter and resized."""
    for index, label in enumerate(("normal", "benign")):
        for number in range(10):
            rng = np.random.default_rng(100 * index + number)
            pixels = render_phantom(label, rng, SCANNERS[0])
            _save(tmp_path / label / f"{number}.png", pixels)
            if number < 4:
                small = Image.fromarray(pixels).resize((120, 110))
                _save(tmp_path / label / f"{number}-again.png", np.asarray(small))
    return tmp_path


def audit(folder: Path) -> FolderAudit:
    params = small_params()
    files = list(discover(folder, labels=params.labels, by=BY))
    return audit_folder(folder, files, params)


def test_look_alikes_are_counted_and_the_split_by_groups_is_the_harder_one(folder: Path) -> None:
    found = audit(folder)
    assert (found.files, found.images, found.groups) == (28, 28, 20)
    assert (found.exact_copies, found.conflicting_copies) == (0, [])
    assert found.twin_share == pytest.approx(16 / 28)
    assert found.twins_across_labels == 0
    assert found.random_split is not None
    assert found.grouped_split is not None
    assert found.random_split.accuracy > found.grouped_split.accuracy


def test_copies_with_another_label_are_named(folder: Path) -> None:
    original = (folder / "benign" / "9.png").read_bytes()
    (folder / "normal" / "copy.png").write_bytes(original)
    found = audit(folder)
    assert found.exact_copies == 1
    assert found.conflicting_copies == ["benign/9.png", "normal/copy.png"]
    assert found.twins_across_labels == 2


def test_too_few_groups_are_not_judged_and_other_files_are_passed_over(folder: Path) -> None:
    for path in (folder / "normal").glob("[3-9]*"):
        path.unlink()
    (folder / "normal" / "notes.txt").write_text("not an image")
    found = audit(folder)
    assert (found.files, found.images) == (found.images + 1, 20)
    assert found.random_split is not None
    assert found.grouped_split is None


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "normal").mkdir()
    (tmp_path / "normal" / "notes.txt").write_text("not an image")
    with pytest.raises(InputError, match="None of the files"):
        audit(tmp_path)


@pytest.mark.realdata
@pytest.mark.skipif(not BUSI.is_dir(), reason=f"the BUSI images are not at {BUSI}")
def test_public_images_show_their_known_leaks() -> None:
    found = audit(BUSI)
    assert found.exact_copies == 1
    assert {Path(path).parent.name for path in found.conflicting_copies} == {"benign", "malignant"}
    assert 0.3 < found.hash_twin_share < 0.4
    assert found.random_split is not None
    assert found.grouped_split is not None
    assert found.random_split.accuracy > found.grouped_split.accuracy + 0.05
