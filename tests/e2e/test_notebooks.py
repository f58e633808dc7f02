"""A notebook is run from its first cell to its last, as Jupyter would, on a small installation."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ml.journey.workspace import Workspace
from ml.params import load_params
from ml.settings import PROJECT_ROOT
from tests.e2e.conftest import SMALL
from tests.e2e.hospital import deliver, draw
from tests.fakes.judged_runs import judged_run

NOTEBOOKS = sorted((PROJECT_ROOT / "notebooks").glob("*.ipynb"))
COMPARE = PROJECT_ROOT / "notebooks" / "compare_versions.ipynb"
# What the test asks of a finished notebook: its last expression would be shown to a person.
FOUND = """
import json, sys
json.dump(
    {
        "images": len(rows),
        "headline": {n: v.report.headline()["accuracy"].estimate for n, v in versions.items()},
        "difference": comparison.accuracy.estimate,
        "disagreements": disagreements.to_dict("records"),
        "drawn": len([axis for axis in axes[0] if axis.images]),
        "epochs": len(history),
        "validation": member.validation.macro_f1,
    },
    sys.stdout,
)
"""


def cells(notebook: Path) -> list[dict[str, Any]]:
    return list(json.loads(notebook.read_text())["cells"])


def run(notebook: Path, home: Path, ask: str) -> dict[str, Any]:
    code = ["".join(cell["source"]) for cell in cells(notebook) if cell["cell_type"] == "code"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("VIGIE_", "MLFLOW_"))}
    ran = subprocess.run(
        [sys.executable, "-c", "\n\n".join([*code, ask])],
        env=environment | {"VIGIE_HOME": str(home), "MPLBACKEND": "Agg"},
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    return dict(json.loads(ran.stdout.splitlines()[-1]))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_kept_without_outputs(notebook: Path) -> None:
    """Outputs would be pictures of patients, and a diff that nobody reads."""
    code = [cell for cell in cells(notebook) if cell["cell_type"] == "code"]
    assert code
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)


@pytest.mark.slow
def test_two_versions_are_compared_and_an_architecture_is_tried(tmp_path: Path) -> None:
    home = tmp_path / "var"
    workspace = Workspace.at(home, expectations=PROJECT_ROOT / "expectations")
    params = load_params(PROJECT_ROOT / "params.toml", overrides=SMALL)
    dataset_id = deliver(workspace, params, draw(tmp_path / "images", 200, 1))
    judged_run(workspace, "before", dataset_id=dataset_id, label_bias={"benign": 5.0})
    judged_run(workspace, "after", dataset_id=dataset_id)

    found = run(COMPARE, home, FOUND)
    before, after = found["headline"]["1"], found["headline"]["2"]
    assert found["difference"] == pytest.approx(after - before)
    assert found["disagreements"]
    for row in found["disagreements"]:
        assert row["predicted_1"] != row["predicted_2"]
    assert found["drawn"] == min(6, len(found["disagreements"]))
    assert found["epochs"] > 1
    assert found["validation"] > 0
