"""Stage 4, train: start a run, then train its members, each on its own."""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ml.contract.errors import NotFound
from ml.journey.images import grids, label_indices
from ml.journey.newest import newest_dataset
from ml.journey.results import Cause, RunInfo
from ml.journey.run import EXPERIMENT, RUN_FILE, Run, git_commit, lock_digest, tracker_of
from ml.journey.workspace import Workspace
from ml.params import Params, TrainingParams
from ml.training.results import EpochRecord, MemberResult

if TYPE_CHECKING:
    from ml.registry.results import RegisteredVersion

log = logging.getLogger(__name__)
_LONGEST_TAG = 4900


def start_run(
    workspace: Workspace,
    params: Params,
    dataset_id: str | None,
    run_key: str,
    cause: Cause,
    *,
    warm_start: bool = False,
) -> RunInfo:
    """Fix what a run is about: dataset, parameters, incumbent. Repeating it changes nothing.

    Args:
        dataset_id: a frozen dataset; the newest if None.
        run_key: the run's name here and in MLflow.
        cause: why this run exists, for MLflow, the model card and the ledger.
        warm_start: start from the incumbent's weights where it has the same members.
    """
    from ml.data.dataset import read_info
    from ml.registry.models import PRODUCTION, version_by_alias

    try:
        return Run.open(workspace, run_key).info
    except NotFound:
        pass  # a new run
    dataset = read_info(workspace.datasets, dataset_id or newest_dataset(workspace))
    incumbent = version_by_alias(tracker_of(workspace), PRODUCTION)
    if warm_start and _can_warm_start(workspace, params, incumbent):
        params = params.model_copy(update={"training": params.training.from_champion})
    return open_run(
        workspace,
        params,
        dataset.dataset_id,
        run_key,
        cause,
        incumbent_version=incumbent.version if incumbent else None,
        incumbent_run_key=incumbent.run_key if incumbent else None,
    )


def open_run(
    workspace: Workspace,
    params: Params,
    dataset_id: str,
    run_key: str,
    cause: Cause,
    *,
    incumbent_version: str | None,
    incumbent_run_key: str | None,
    tags: Mapping[str, str] | None = None,
) -> RunInfo:
    """Record a run here and in MLflow with all that is needed to repeat it."""
    tracker = tracker_of(workspace)
    mlflow_run_id = tracker.open_run(
        EXPERIMENT,
        run_key,
        name=run_key,
        tags={
            "vigie.dataset_id": dataset_id,
            "vigie.reason": cause.reason[:_LONGEST_TAG],
            "vigie.trigger": cause.trigger,
            **({"vigie.reports": ", ".join(cause.report_ids)} if cause.report_ids else {}),
            **(tags or {}),
        },
    )
    commit, lock = git_commit(), lock_digest()
    tracker.log(
        mlflow_run_id,
        params={
            "dataset_id": dataset_id,
            "profile": params.profile,
            "params_sha256": params.sha256,
            "git_commit": commit,
            "lock_sha256": lock,
            **{f"training.{key}": value for key, value in params.training},
            "image.size": params.image.size,
        },
    )
    _log_input(workspace, mlflow_run_id, dataset_id)
    info = RunInfo(
        run_key=run_key,
        dataset_id=dataset_id,
        members=list(params.training.members),
        initialisation=params.training.initialisation,
        reason=cause.reason,
        trigger=cause.trigger,
        report_ids=cause.report_ids,
        started_by=cause.started_by,
        git_commit=commit,
        lock_sha256=lock,
        started_at=datetime.now(UTC),
        incumbent_version=incumbent_version,
        incumbent_run_key=incumbent_run_key,
        mlflow_run_id=mlflow_run_id,
        mlflow_url=tracker.run_url(mlflow_run_id),
    )
    run = Run(workspace.run(run_key), info, params)
    grids(
        workspace, params.image.spec, run.frame(workspace)
    )  # cached once, before members run side by side
    run.save()
    tracker.log_files(mlflow_run_id, [run.folder / RUN_FILE])
    log.info(
        "Run %s on dataset %s: %s from %s. %s",
        run_key,
        dataset_id,
        ", ".join(info.members),
        info.initialisation,
        info.mlflow_url,
    )
    return info


def _log_input(workspace: Workspace, mlflow_run_id: str, dataset_id: str) -> None:
    from ml.data.dataset import read_info

    dataset = read_info(workspace.datasets, dataset_id)
    tracker_of(workspace).log_dataset(
        mlflow_run_id,
        dataset_id=dataset_id,
        source=str(workspace.datasets / dataset_id),
        counts={"num_rows": dataset.images, "num_groups": dataset.groups, **dataset.per_class},
        context="training",
    )


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
    from ml.training.data import TrainingData
    from ml.training.fit import train_member as train
    from ml.training.process import limit_threads

    run = Run.open(workspace, run_key)
    if threads:
        limit_threads(threads)
    frame = run.frame(workspace)
    result = train(
        member,
        data=TrainingData.of_split(
            grids(workspace, run.params.image.spec, frame),
            label_indices(frame, run.params.data.labels),
            frame["split"].to_numpy(),
        ),
        labels=run.params.data.labels,
        params=run.params.training.of(member),
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
    tracker.log_history(run_id, curves(result))
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
    """Tells each epoch as a sentence, with the time that is left if no epoch is spared.

    How long fine-tuning will take is not known while the head is trained.
    """
    seconds: dict[str, list[float]] = {}

    def tell_epoch(epoch: EpochRecord) -> None:
        head = epoch.phase == "head"
        spent = seconds.setdefault(epoch.phase, [])
        spent.append(epoch.seconds)
        left = duration(epoch.left * sum(spent) / len(spent))
        then = ", then fine-tuning" if head and params.epochs else ""
        tell(
            f"{member} {'head' if head else 'epoch'} {epoch.epoch}/{epoch.epoch + epoch.left}: "
            f"loss {epoch.loss:.3f}, validation accuracy {epoch.validation.accuracy:.3f}, "
            f"macro-F1 {epoch.validation.macro_f1:.3f}, {epoch.seconds:.0f} s"
            + (f", at most {left} left{then}" if epoch.left else then)
        )

    return tell_epoch


def duration(seconds: float) -> str:
    """Seconds as people say them: `40 s`, `3 min`, `1.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def curves(result: MemberResult) -> dict[str, list[float]]:
    """What MLflow draws of a training: one value an epoch."""
    return {
        "loss": [epoch.loss for epoch in result.history],
        "learning_rate": [epoch.learning_rate for epoch in result.history],
        "validation.log_loss": [epoch.validation.log_loss for epoch in result.history],
        "validation.accuracy": [epoch.validation.accuracy for epoch in result.history],
        "validation.macro_f1": [epoch.validation.macro_f1 for epoch in result.history],
    }


def _can_warm_start(
    workspace: Workspace, params: Params, incumbent: "RegisteredVersion | None"
) -> bool:
    from ml.training.member_files import read_member

    if incumbent is None:
        log.info("No incumbent to start from: initialisation %s.", params.training.initialisation)
        return False
    spec, labels = params.image.spec, params.data.labels
    unfit = []
    for name in params.training.members:
        try:
            member = read_member(workspace.run(incumbent.run_key) / "members" / name)
        except NotFound:
            unfit.append(f"{name} (it has no such member)")
            continue
        if member.input != spec or member.labels != labels:
            unfit.append(f"{name} (of another input or other labels)")
    if unfit:
        log.warning(
            "Version %s cannot be started from for %s: initialisation %s for all members.",
            incumbent.version,
            ", ".join(unfit),
            params.training.initialisation,
        )
    return not unfit


def champion(workspace: Workspace, run: Run, member: str) -> Path | None:
    """The incumbent's folder of a member, where the run starts from it.

    Raises:
        NotFound: the run starts from the incumbent, and there is none.
    """
    if run.params.training.of(member).initialisation != "champion":
        return None
    if run.info.incumbent_run_key is None:
        raise NotFound(
            "Initialisation `champion` needs a model in production, and there is none.",
            remedy="Use --set training.initialisation=imagenet, file or random.",
        )
    return workspace.run(run.info.incumbent_run_key) / "members" / member
