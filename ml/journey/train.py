"""Stage 4, train: start a run, then train its members, each on its own."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ml.contract.errors import NotFound
from ml.journey.images import grids, label_indices
from ml.journey.newest import newest_dataset
from ml.journey.results import RunInfo
from ml.journey.run import EXPERIMENT, Run, git_commit, tracker_of
from ml.journey.workspace import Workspace
from ml.params import Params, TrainingParams
from ml.training.results import EpochRecord, MemberResult

if TYPE_CHECKING:
    import pandas as pd

    from ml.registry.results import RegisteredVersion
    from ml.training.data import TrainingData

log = logging.getLogger(__name__)


def start_run(
    workspace: Workspace,
    params: Params,
    dataset_id: str | None,
    run_key: str,
    reason: str,
    *,
    warm_start: bool = False,
) -> RunInfo:
    """Fix what a run is about: dataset, parameters, incumbent. Repeating it changes nothing.

    Args:
        dataset_id: a frozen dataset; the newest if None.
        run_key: the run's name here and in MLflow.
        reason: why this run exists, for the model card and the ledger.
        warm_start: start from the incumbent's weights where it has the same members.
    """
    from ml.data.dataset import read_info
    from ml.registry.models import PRODUCTION, version_by_alias

    try:
        return Run.open(workspace, run_key).info
    except NotFound:
        pass  # a new run
    dataset = read_info(workspace.datasets, dataset_id or newest_dataset(workspace))
    tracker = tracker_of(workspace)
    incumbent = version_by_alias(tracker, PRODUCTION)
    if warm_start and _can_warm_start(workspace, params, incumbent):
        training = params.training.model_copy(update={"initialisation": "champion"})
        params = params.model_copy(update={"training": training})
    mlflow_run_id = tracker.open_run(
        EXPERIMENT,
        run_key,
        name=run_key,
        tags={"vigie.dataset_id": dataset.dataset_id, "vigie.reason": reason},
    )
    commit = git_commit()
    tracker.log(
        mlflow_run_id,
        params={
            "dataset_id": dataset.dataset_id,
            "profile": params.profile,
            "params_sha256": params.sha256,
            "git_commit": commit,
            **{f"training.{key}": value for key, value in params.training},
            "image.size": params.image.size,
        },
    )
    info = RunInfo(
        run_key=run_key,
        dataset_id=dataset.dataset_id,
        members=list(params.training.members),
        initialisation=params.training.initialisation,
        reason=reason,
        git_commit=commit,
        started_at=datetime.now(UTC),
        incumbent_version=incumbent.version if incumbent else None,
        incumbent_run_key=incumbent.run_key if incumbent else None,
        mlflow_run_id=mlflow_run_id,
        mlflow_url=tracker.run_url(mlflow_run_id),
    )
    run = Run(workspace.run(run_key), info, params)
    grids(
        workspace, params.image.spec, run.frame(workspace)
    )  # cached once, before members run side by side
    run.save()
    log.info(
        "Run %s on dataset %s: %s from %s. %s",
        run_key,
        dataset.dataset_id,
        ", ".join(info.members),
        info.initialisation,
        info.mlflow_url,
    )
    return info


def train_member(
    workspace: Workspace,
    run_key: str,
    member: str,
    *,
    threads: int = 0,
    on_epoch: Callable[[str], None] | None = None,
) -> MemberResult:
    """Train one member of a started run and log its curves to its own MLflow run.

    Args:
        threads: CPU threads for this member; 0 uses all.
        on_epoch: called with a readable line after each epoch.

    Raises:
        TrainingFailed: NaN loss, constant output, or a class missing from the training split.
        NotFound: the run starts from the incumbent, but its weights are not here.
    """
    from ml.training.fit import train_member as train
    from ml.training.process import limit_threads

    run = Run.open(workspace, run_key)
    if threads:
        limit_threads(threads)
    frame = run.frame(workspace)
    result = train(
        member,
        data=_training_data(workspace, run, frame),
        labels=run.params.data.labels,
        params=run.params.training,
        spec=run.params.image.spec,
        folder=run.member(member),
        champion=champion(workspace, run, member),
        feature_cache=workspace.features,
        on_epoch=epoch_teller(member, run.params.training, on_epoch or log.info),
    )
    tracker = tracker_of(workspace)
    run_id = run.member_run(tracker, member)
    tracker.log(
        run_id,
        params=dict(run.params.training),
        metrics={f"validation.{name}": value for name, value in result.validation},
    )
    tracker.log_history(run_id, _curves(result))
    tracker.finish(run_id)
    log.info(
        "%s: validation accuracy %.3f after %d epochs, %.0f s. %s",
        member,
        result.validation.accuracy,
        result.epochs,
        result.seconds,
        tracker.run_url(run_id),
    )
    return result


def epoch_teller(
    member: str, params: TrainingParams, tell: Callable[[str], None]
) -> Callable[[EpochRecord], None]:
    """Tells each epoch as a sentence, with what is left at most."""

    def tell_epoch(epoch: EpochRecord) -> None:
        head = epoch.phase == "head"
        tell(
            f"{member} {'head' if head else 'epoch'} {epoch.epoch}"
            f"/{params.head_epochs + (0 if head else params.epochs)}: loss {epoch.loss:.3f}, "
            f"validation accuracy {epoch.validation.accuracy:.3f}, "
            f"macro-F1 {epoch.validation.macro_f1:.3f}, {epoch.seconds:.0f} s"
        )

    return tell_epoch


def _curves(result: MemberResult) -> dict[str, list[float]]:
    return {
        "loss": [epoch.loss for epoch in result.history],
        "learning_rate": [epoch.learning_rate for epoch in result.history],
        "validation.log_loss": [epoch.validation.log_loss for epoch in result.history],
        "validation.accuracy": [epoch.validation.accuracy for epoch in result.history],
        "validation.macro_f1": [epoch.validation.macro_f1 for epoch in result.history],
    }


def _training_data(workspace: Workspace, run: Run, frame: "pd.DataFrame") -> "TrainingData":
    from ml.training.data import TrainingData

    images = grids(workspace, run.params.image.spec, frame)
    labels = label_indices(frame, run.params.data.labels)
    train = (frame["split"] == "train").to_numpy()
    validation = (frame["split"] == "validation").to_numpy()
    return TrainingData(
        train_images=images[train],
        train_labels=labels[train],
        validation_images=images[validation],
        validation_labels=labels[validation],
    )


def _can_warm_start(
    workspace: Workspace, params: Params, incumbent: "RegisteredVersion | None"
) -> bool:
    if incumbent is None:
        log.info("No incumbent to start from: initialisation %s.", params.training.initialisation)
        return False
    folder = workspace.run(incumbent.run_key)
    missing = [name for name in params.training.members if not (folder / "members" / name).is_dir()]
    if missing:
        log.warning(
            "The incumbent has no weights for %s: initialisation %s for all members.",
            ", ".join(missing),
            params.training.initialisation,
        )
        return False
    return True


def champion(workspace: Workspace, run: Run, member: str) -> Path | None:
    """The incumbent's folder of a member, where the run starts from it.

    Raises:
        NotFound: the run starts from the incumbent, and there is none.
    """
    if run.params.training.initialisation != "champion":
        return None
    if run.info.incumbent_run_key is None:
        raise NotFound(
            "Initialisation `champion` needs a model in production, and there is none.",
            remedy="Use --set training.initialisation=imagenet, file or random.",
        )
    return workspace.run(run.info.incumbent_run_key) / "members" / member
