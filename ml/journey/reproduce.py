"""Rebuild a registered version from what was recorded about it, and compare."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime

from ml.contract.errors import NotFound
from ml.journey.results import Cause, MemberMatch, MetricMatch, Reproduction
from ml.journey.run import RUN_FILE, Run, git_commit, lock_digest, tracker_of
from ml.journey.workspace import Workspace

log = logging.getLogger(__name__)


def reproduce(
    workspace: Workspace,
    version: str,
    *,
    run_key: str | None = None,
    on_epoch: Callable[[str], None] | None = None,
) -> Reproduction:
    """Train, vote, export and evaluate again in a run of its own; nothing is registered.

    Same means: every member has the same weights to the last bit and every test metric the same
    estimate. That holds on the same kind of CPU with the same code and locked packages; what
    differs from what was recorded is said in `warnings`.

    Args:
        version: a number in the registry.
        run_key: of the new run; repeating a key goes on with it.

    Raises:
        NotFound: the version, its run, its dataset, or the incumbent it started from is gone.
    """
    from ml.data.dataset import read_info
    from ml.journey.ensemble import fit
    from ml.journey.evaluate import evaluate, read_evidence
    from ml.journey.export import export_member, seal
    from ml.journey.train import champion, open_run, train_member
    from ml.registry.models import version_by_number
    from ml.training.member_files import read_member

    registered = version_by_number(tracker_of(workspace), version)
    recorded = _recorded_run(workspace, version, registered.run_key)
    read_info(workspace.datasets, recorded.info.dataset_id)
    for member in recorded.info.members:
        folder = champion(workspace, recorded, member)
        if folder is not None and not folder.is_dir():
            raise NotFound(
                f"Version {version} started from the incumbent's {member}, and {folder} is gone.",
                remedy="Restore that folder from a backup, or reproduce that incumbent first.",
            )
    warnings = _differences(recorded)
    for warning in warnings:
        log.warning(warning)
    key = run_key or f"reproduce-{version}-{datetime.now(UTC):%Y%m%dT%H%M%S}"
    info = open_run(
        workspace,
        recorded.params,
        recorded.info.dataset_id,
        key,
        Cause(reason=f"to reproduce version {version}"),
        incumbent_version=recorded.info.incumbent_version,
        incumbent_run_key=recorded.info.incumbent_run_key,
        tags={"vigie.reproduces": version},
    )
    for member in info.members:
        threads = read_member(recorded.member(member)).threads
        train_member(workspace, key, member, threads=threads, on_epoch=on_epoch)
    fit(workspace, key)
    for member in info.members:
        export_member(workspace, key, member)
    seal(workspace, key)
    evaluate(workspace, key)
    rebuilt = Run.open(workspace, key)
    before, after = read_evidence(recorded), read_evidence(rebuilt)
    if before is None or after is None:
        raise NotFound(
            f"Version {version} was never evaluated, so there is nothing to compare.",
            remedy="Evaluate its run first: `vigie evaluate --run KEY`.",
        )
    earlier = before.report.headline()
    result = Reproduction(
        version=version,
        run_key=key,
        members=[_match(recorded, rebuilt, member) for member in info.members],
        metrics=[
            MetricMatch(name=name, recorded=earlier[name].estimate, rebuilt=interval.estimate)
            for name, interval in after.report.headline().items()
        ],
        warnings=warnings,
    )
    tracker = tracker_of(workspace)
    tracker.log(info.mlflow_run_id, tags={"vigie.same": str(result.same).lower()})
    tracker.finish(info.mlflow_run_id)
    return result


def _recorded_run(workspace: Workspace, version: str, run_key: str) -> Run:
    try:
        return Run.open(workspace, run_key)
    except NotFound as error:
        raise NotFound(
            f"Version {version} was made by run {run_key!r}, which is not kept here.",
            remedy=f"Restore {workspace.run(run_key)} from a backup; its {RUN_FILE} is among the "
            "artifacts of its MLflow run.",
        ) from error


def _differences(recorded: Run) -> list[str]:
    found = []
    commit, lock = git_commit(), lock_digest()
    for what, then, now in (
        ("code is of commit", recorded.info.git_commit, commit),
        ("packages are those of lock", recorded.info.lock_sha256, lock),
    ):
        if then != now:
            found.append(f"The {what} {now[:12]} here, {then[:12]} were recorded.")
    return found


def _match(recorded: Run, rebuilt: Run, member: str) -> MemberMatch:
    from ml.training.member_files import read_member

    before, after = read_member(recorded.member(member)), read_member(rebuilt.member(member))
    return MemberMatch(
        member=member,
        same_weights=before.weights_sha256 == after.weights_sha256,
        recorded_log_loss=before.validation.log_loss,
        rebuilt_log_loss=after.validation.log_loss,
    )
