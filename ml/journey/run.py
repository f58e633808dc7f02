"""One training run on disk: what it was started with, and where its stages leave things."""

import hashlib
import json
import logging
import os
import re
import subprocess
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from ml.contract.errors import NotFound
from ml.journey.results import RunInfo
from ml.journey.workspace import Workspace
from ml.params import Params

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy import Engine

    from ml.registry.tracking import Tracker

EXPERIMENT = "vigie-train"
RUN_FILE = "run.json"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Run:
    """An opened run: its frozen parameters and its folders."""

    folder: Path
    info: RunInfo
    params: Params

    @classmethod
    def open(cls, workspace: Workspace, run_key: str) -> "Run":
        """Read a started run.

        Raises:
            NotFound: no run of this key was started here, or by code with other parameters.
        """
        folder = workspace.run(run_key)
        try:
            content = json.loads((folder / RUN_FILE).read_text())
        except FileNotFoundError as error:
            raise NotFound(
                f"There is no run {run_key!r}.", remedy="Start it with `vigie train`."
            ) from error
        try:
            info = RunInfo.model_validate(content["info"])
            params = Params.model_validate(content["params"])
        except ValidationError as error:
            what = ".".join(map(str, error.errors()[0]["loc"]))
            raise NotFound(
                f"Run {run_key!r} was started by code with other parameters ({what}).",
                remedy="Finish it with that release, or train anew.",
            ) from error
        return cls(folder, info, params)

    def save(self) -> None:
        """Write the run's record, atomically."""
        content = {
            "info": self.info.model_dump(mode="json"),
            "params": self.params.model_dump(mode="json"),
        }
        write_json(self.folder / RUN_FILE, content)

    def member(self, name: str) -> Path:
        return self.folder / "members" / name

    @property
    def ensemble(self) -> Path:
        return self.folder / "ensemble"

    @property
    def bundle(self) -> Path:
        return self.folder / "bundle"

    @property
    def float_model(self) -> Path:
        """The same ensemble without quantization: what parity compares with."""
        return self.folder / "float" / "model.onnx"

    @property
    def whole_model(self) -> Path:
        """The served members where all always vote: what an adaptive vote is compared with."""
        return self.folder / "whole" / "model.onnx"

    @property
    def evaluation(self) -> Path:
        return self.folder / "evaluation"

    @property
    def evidence(self) -> Path:
        """What the gates read of the evaluation."""
        return self.evaluation / "evidence.json"

    @property
    def local_evaluation(self) -> Path:
        """Pages with pixels of patients: never logged, open to the owner alone."""
        return self.evaluation / "local"

    @property
    def blessing(self) -> Path:
        return self.folder / "blessing.json"

    @property
    def decision(self) -> Path:
        return self.folder / "gate.json"

    @property
    def decision_page(self) -> Path:
        return self.folder / "gate.md"

    def frame(self, workspace: Workspace) -> "pd.DataFrame":
        """The run's dataset, one row an image."""
        from ml.data.dataset import load_dataset

        return load_dataset(workspace.datasets, self.info.dataset_id)

    def member_run(self, tracker: "Tracker", name: str) -> str:
        """The MLflow child run of one member."""
        return tracker.open_run(
            EXPERIMENT,
            f"{self.info.run_key}/{name}",
            name=name,
            parent_id=self.info.mlflow_run_id,
            tags={"vigie.member": name, "vigie.dataset_id": self.info.dataset_id},
        )


def key_of_dag_run(run_id: str) -> str:
    """A DAG run's name as the journey knows it."""
    return re.sub(r"[^A-Za-z0-9]+", "-", run_id).strip("-")


def tracker_of(workspace: Workspace) -> "Tracker":
    """The workspace's MLflow."""
    from ml.registry.tracking import Tracker

    return Tracker(workspace.tracking_uri, workspace.artifact_root)


def database_of(workspace: Workspace) -> "Engine":
    """The workspace's database, migrated to this code's tables."""
    from ml.store.database import open_database
    from ml.store.migrate import migrate

    database = open_database(workspace.database_url)
    migrate(database)
    return database


def one_writer(workspace: Workspace) -> AbstractContextManager[None]:
    """The lock of whoever changes manifest or datasets, over all machines of the installation."""
    from ml.store.exclusive import exclusive

    return exclusive(database_of(workspace), "store")


def write_json(path: Path, content: object, *, mode: int = 0o644) -> None:
    """Write JSON under a temporary name, then rename; `mode` are the file's permissions."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    partial.unlink(missing_ok=True)
    partial.touch(mode=mode)
    partial.write_text(json.dumps(content, indent=2) + "\n")
    partial.replace(path)


def lock_digest() -> str:
    """Digest of the locked dependencies, `unknown` where the code does not run from a checkout."""
    try:
        return hashlib.sha256((Path(__file__).parents[2] / "uv.lock").read_bytes()).hexdigest()
    except OSError:
        return "unknown"


def git_commit() -> str:
    """The commit of the code, `unknown` where it does not run from a checkout."""
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return answer.stdout.strip()
