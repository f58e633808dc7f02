"""MLflow runs, found by their key: a stage that is killed and repeated logs to the same run."""

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT, MLFLOW_RUN_NOTE
from mlflow.utils.time import get_current_time_millis

from ml.contract.errors import Unavailable

KEY_TAG = "vigie.run_key"
_DATASET_NAME = "vigie"
_PARENT_TAG = "mlflow.parentRunId"
_MAX_PARAM_CHARACTERS = 500
_METRICS_PER_CALL = 500
_MAX_TAG_CHARACTERS = 5000
# Without it the MLflow UI opens the experiment as one of language-model traces.
_SHOWN_AS_TRAINING = {"mlflow.experimentKind": "custom_model_development"}


class Tracker:
    """Experiment tracking at one MLflow address.

    Args:
        tracking_uri: an MLflow server, or `sqlite:///…`.
        artifact_root: URI for artifacts of experiments made here; empty lets the server choose.

    Raises:
        Unavailable: by every method, when MLflow does not answer.
    """

    def __init__(self, tracking_uri: str, artifact_root: str = "") -> None:
        if tracking_uri.startswith("sqlite:///"):
            Path(tracking_uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        self.tracking_uri = tracking_uri
        self.artifact_root = artifact_root
        self.client = MlflowClient(tracking_uri=tracking_uri)

    def open_run(
        self,
        experiment: str,
        key: str,
        *,
        name: str,
        tags: Mapping[str, str] | None = None,
        parent_id: str | None = None,
    ) -> str:
        """The id of the run with this key, started if there is none yet."""
        experiment_id = self._experiment(experiment)
        try:
            found = self.client.search_runs(
                [experiment_id], filter_string=f"tags.`{KEY_TAG}` = '{key}'", max_results=1
            )
            if found:
                return str(found[0].info.run_id)
            all_tags = {KEY_TAG: key, **(tags or {})}
            if parent_id:
                all_tags[_PARENT_TAG] = parent_id
            run = self.client.create_run(experiment_id, run_name=name, tags=all_tags)
            return str(run.info.run_id)
        except MlflowException as error:
            raise _unavailable(error) from error

    def log(
        self,
        run_id: str,
        *,
        params: Mapping[str, object] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Log parameters, metrics and tags. Metrics that are not numbers are left out."""
        now = get_current_time_millis()
        try:
            self.client.log_batch(
                run_id,
                metrics=[
                    Metric(key, float(value), now, 0)
                    for key, value in (metrics or {}).items()
                    if math.isfinite(value)
                ],
                params=[
                    Param(key, str(value)[:_MAX_PARAM_CHARACTERS])
                    for key, value in (params or {}).items()
                ],
                tags=[RunTag(key, value) for key, value in (tags or {}).items()],
            )
        except MlflowException as error:
            raise _unavailable(error) from error

    def log_history(self, run_id: str, history: Mapping[str, list[float]]) -> None:
        """Log one metric per curve, one step per epoch."""
        now = get_current_time_millis()
        metrics = [
            Metric(name, float(value), now, step)
            for name, values in history.items()
            for step, value in enumerate(values, start=1)
            if math.isfinite(value)
        ]
        try:
            for start in range(0, len(metrics), _METRICS_PER_CALL):
                self.client.log_batch(run_id, metrics=metrics[start : start + _METRICS_PER_CALL])
        except MlflowException as error:
            raise _unavailable(error) from error

    def log_dataset(
        self, run_id: str, *, dataset_id: str, source: str, counts: Mapping[str, int], context: str
    ) -> None:
        """Name the frozen dataset as the run's input. Logging the same one again changes nothing.

        Args:
            source: where its rows lie; MLflow keeps the address, not the rows.
            counts: what it holds, as a person reads it beside the name.
            context: what it is used for.
        """
        dataset = Dataset(
            name=_DATASET_NAME,
            digest=dataset_id,
            source_type="vigie",
            source=json.dumps({"uri": source}),
            profile=json.dumps(dict(counts)),
        )
        tags = [InputTag(key=MLFLOW_DATASET_CONTEXT, value=context)]
        try:
            self.client.log_inputs(run_id, [DatasetInput(dataset=dataset, tags=tags)])
        except MlflowException as error:
            raise _unavailable(error) from error

    def log_folder(self, run_id: str, folder: Path, artifact_path: str) -> None:
        """Upload a folder's files as artifacts."""
        try:
            self.client.log_artifacts(run_id, str(folder), artifact_path)
        except (MlflowException, OSError) as error:
            raise _unavailable(error) from error

    def log_files(self, run_id: str, files: Iterable[Path], artifact_path: str = "") -> None:
        """Upload just these files as artifacts, beside each other."""
        try:
            for file in files:
                self.client.log_artifact(run_id, str(file), artifact_path or None)
        except (MlflowException, OSError) as error:
            raise _unavailable(error) from error

    def describe_run(self, run_id: str, markdown: str) -> None:
        """What stands at the head of the run's page."""
        self.log(run_id, tags={MLFLOW_RUN_NOTE: markdown[:_MAX_TAG_CHARACTERS]})

    def finish(self, run_id: str, status: str = "FINISHED") -> None:
        """Set the run's final state: `FINISHED` or `FAILED`."""
        try:
            self.client.set_terminated(run_id, status=status)
        except MlflowException as error:
            raise _unavailable(error) from error

    def run_url(self, run_id: str) -> str:
        """Where a person looks at the run; empty when MLflow is only a file."""
        if not urlsplit(self.tracking_uri).scheme.startswith("http"):
            return ""
        experiment_id = self.client.get_run(run_id).info.experiment_id
        return f"{self.tracking_uri.rstrip('/')}/#/experiments/{experiment_id}/runs/{run_id}"

    def _experiment(self, name: str) -> str:
        try:
            found = self.client.get_experiment_by_name(name)
            if found:
                return str(found.experiment_id)
            location = f"{self.artifact_root.rstrip('/')}/{name}" if self.artifact_root else None
            return str(
                self.client.create_experiment(
                    name, artifact_location=location, tags=_SHOWN_AS_TRAINING
                )
            )
        except MlflowException as error:
            if error.error_code == "RESOURCE_ALREADY_EXISTS":  # another task made it just now
                return str(self.client.get_experiment_by_name(name).experiment_id)
            raise _unavailable(error) from error


def _unavailable(error: Exception) -> Unavailable:
    return Unavailable(
        f"MLflow did not do what was asked: {error}",
        remedy="See that the MLflow server runs (`make status`), then repeat the stage.",
    )
