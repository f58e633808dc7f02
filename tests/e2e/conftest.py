"""One small journey, taken once for all tests here: real stages, a small network, small images."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ml.journey.workspace import Workspace
from ml.settings import PROJECT_ROOT
from tests.e2e.planted import plant_everywhere

SMALL = (
    "profile=demo",
    'training.members=["cnn"]',
    "training.epochs=10",
    "training.batch_size=16",
    "image.size=64",
    'evaluation.paper_members=["cnn"]',
    "evaluation.bootstrap_rounds=300",
    "data.min_groups_per_class=6",
    # Few images decide here; what the gates do with their bounds is tested beside them.
    "gates.min_test_images=40",
    "gates.min_critical_images=4",
    "gates.accuracy_floor=0.2",
    "gates.macro_f1_floor=0.0",
    "gates.critical_sensitivity_floor=0.0",
    "gates.min_class_images=4",
    "gates.class_sensitivity_floor=0.0",
    "gates.critical_sensitivity_margin=1.0",
    "gates.class_sensitivity_margin=1.0",
    "gates.slice_margin=1.0",
    "gates.calibration_error_ceiling=1.0",
    "gates.max_flip_rate=0.2",
    "gates.max_critical_sensitivity_loss=0.5",
)


@dataclass(frozen=True)
class Journey:
    """A finished `vigie run`: its state folder and what it printed."""

    home: Path
    environment: dict[str, str]
    summary: dict[str, Any]
    printed: str = ""

    @property
    def workspace(self) -> Workspace:
        return Workspace.at(self.home, expectations=PROJECT_ROOT / "expectations")

    def vigie(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return vigie(self.environment, *arguments)


def vigie(
    environment: dict[str, str], *arguments: str, timeout: float = 500
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ml.cli", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def overrides() -> list[str]:
    return [part for text in SMALL for part in ("--set", text)]


@pytest.fixture(scope="session")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Journey:
    folder = tmp_path_factory.mktemp("journey")
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("VIGIE_", "MLFLOW_"))
    } | {"VIGIE_HOME": str(folder / "var"), "COLUMNS": "200"}
    drawn = vigie(environment, "phantoms", str(folder / "images"), "--images", "500")
    assert drawn.returncode == 0, drawn.stderr
    # Every test here works on a delivery that names its patients wherever one can.
    plant_everywhere(folder / "images")
    ran = vigie(environment, "--json", "run", str(folder / "images"), *overrides())
    assert ran.returncode == 0, ran.stderr
    return Journey(folder / "var", environment, json.loads(ran.stdout), ran.stdout + ran.stderr)
