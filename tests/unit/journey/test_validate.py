from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ml.contract.errors import ManifestDamaged
from ml.data.manifest import commit_rows
from ml.journey.validate import check_manifest
from ml.journey.workspace import Workspace
from ml.params import Params, load_params
from tests.unit.data.home import PROJECT
from tests.unit.data.test_manifest_check import FIRST, make_rows


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace.at(tmp_path / "home", expectations=PROJECT / "expectations")
    commit_rows(workspace.manifest, "one", make_rows("one"), settled=[])
    return workspace


@pytest.fixture
def params() -> Params:
    return load_params(PROJECT / "params.toml")


def test_a_sound_manifest_is_told_with_its_page(workspace: Workspace, params: Params) -> None:
    report = check_manifest(workspace, params)
    assert (report.rows, report.verdict) == (1, "1 rows; no damage found.")
    assert "times_listed" in Path(report.docs).read_text()


def test_a_damaged_manifest_is_refused_with_reasons(workspace: Workspace, params: Params) -> None:
    table = pq.read_table(workspace.manifest / "one.parquet")
    commit_rows(workspace.manifest, "copy", table, settled=[])
    with pytest.raises(ManifestDamaged) as refused:
        check_manifest(workspace, params)
    assert refused.value.reasons == [
        "an image is listed twice with one label (2 of 2)",
        "a row names another batch than its file (1 of 2)",
    ]
    assert FIRST not in workspace.manifest_docs.joinpath("index.html").read_text()
