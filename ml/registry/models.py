"""Versions and aliases in the MLflow registry. A version is a bundle among a run's artifacts."""

import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from ml.contract.bundle import bundle_sha256, open_bundle
from ml.contract.errors import NotFound, Unavailable
from ml.contract.registry_names import BUNDLE_ARTIFACT, BUNDLE_SHA256_TAG
from ml.registry.results import RegisteredVersion
from ml.registry.tracking import Tracker

MODEL_NAME = "vigie"
_MAX_DESCRIPTION_CHARACTERS = 5000
PRODUCTION, CHALLENGER, PREVIOUS = "production", "challenger", "previous"
CANARY: Final = "canary"
SHADOW: Final = "shadow"
_PARTIAL, _ABANDONED_SECONDS = ".part", 24 * 3600.0


def register_bundle(tracker: Tracker, run_id: str, folder: Path, run_key: str) -> RegisteredVersion:
    """Upload a bundle to its run and register it; the same run registers only once.

    Raises:
        BundleInvalid: the folder is not a sealed bundle.
        Unavailable: MLflow does not answer.
    """
    bundle = open_bundle(folder)
    identity = bundle_sha256(folder)
    try:
        _ensure_model(tracker)
        known = tracker.client.search_model_versions(f"name = '{MODEL_NAME}'")
        for version in known:
            if version.tags.get(BUNDLE_SHA256_TAG) == identity:
                return describe(tracker, version)
        tracker.log_folder(run_id, folder, BUNDLE_ARTIFACT)
        artifact_uri = tracker.client.get_run(run_id).info.artifact_uri
        version = tracker.client.create_model_version(
            MODEL_NAME,
            source=f"{artifact_uri}/{BUNDLE_ARTIFACT}",
            await_creation_for=0,
            run_id=run_id,
            tags={
                BUNDLE_SHA256_TAG: identity,
                "run_key": run_key,
                "dataset_id": bundle.dataset_id,
                "git_commit": bundle.git_commit,
            },
        )
    except MlflowException as error:
        raise Unavailable(
            f"The registry did not take the version: {error}", remedy="Repeat the stage."
        ) from error
    return describe(tracker, version)


def version_by_alias(tracker: Tracker, alias: str) -> RegisteredVersion | None:
    """The version an alias names, or None where nothing has that alias."""
    try:
        return describe(tracker, tracker.client.get_model_version_by_alias(MODEL_NAME, alias))
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise Unavailable(
            f"The registry did not answer for alias {alias}: {error}", remedy="Try again."
        ) from error


def version_by_number(tracker: Tracker, number: str) -> RegisteredVersion:
    """The version of this number.

    Raises:
        NotFound: no such version.
    """
    try:
        return describe(tracker, tracker.client.get_model_version(MODEL_NAME, number))
    except MlflowException as error:
        raise NotFound(
            f"The registry has no version {number}.", remedy="See `vigie versions`."
        ) from error


def point_alias(tracker: Tracker, alias: str, version: str) -> None:
    """Make an alias name a version."""
    try:
        tracker.client.set_registered_model_alias(MODEL_NAME, alias, version)
    except MlflowException as error:
        raise Unavailable(
            f"The registry did not move alias {alias}: {error}", remedy="Try again."
        ) from error


def remove_alias(tracker: Tracker, alias: str, version: str, tag: str) -> None:
    """Make an alias name nothing, and take from its version the tag that came with it."""
    try:
        if tag in tracker.client.get_model_version(MODEL_NAME, version).tags:
            tracker.client.delete_model_version_tag(MODEL_NAME, version, tag)
        tracker.client.delete_registered_model_alias(MODEL_NAME, alias)
    except MlflowException as error:
        raise Unavailable(
            f"The registry did not remove alias {alias}: {error}", remedy="Try again."
        ) from error


def tags_of(tracker: Tracker, version: RegisteredVersion) -> dict[str, str]:
    """The tags of a version.

    Raises:
        Unavailable: the registry does not answer.
    """
    try:
        return dict(tracker.client.get_model_version(MODEL_NAME, version.version).tags)
    except MlflowException as error:
        raise Unavailable(
            f"The registry did not answer for version {version.version}: {error}",
            remedy="Try again.",
        ) from error


def tag_version(tracker: Tracker, version: str, key: str, value: str) -> None:
    """Write one tag on a version."""
    tracker.client.set_model_version_tag(MODEL_NAME, version, key, value)


def describe_version(tracker: Tracker, version: str, markdown: str) -> None:
    """What stands at the head of the version's page."""
    try:
        tracker.client.update_model_version(
            MODEL_NAME, version, description=markdown[:_MAX_DESCRIPTION_CHARACTERS]
        )
    except MlflowException as error:
        raise Unavailable(
            f"The registry did not take the description: {error}", remedy="Repeat the stage."
        ) from error


def fetch_bundle(tracker: Tracker, version: RegisteredVersion, cache: Path) -> Path:
    """A version's bundle as a local folder, verified; downloaded unless it is there already.

    Tasks on several machines may share `cache`.

    Raises:
        BundleInvalid: what was downloaded is not what was registered.
        Unavailable: the artifact store does not answer.
    """
    folder = cache / version.bundle_sha256
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        _forget_abandoned(cache)
        name = f".{version.bundle_sha256}."
        partial = Path(tempfile.mkdtemp(prefix=name, suffix=_PARTIAL, dir=cache))
        try:
            local = _downloaded(tracker, version, partial)
            open_bundle(local, expected_sha256=version.bundle_sha256)
            try:
                local.replace(folder)
            except OSError:
                if not folder.is_dir():  # else another task was faster
                    raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    open_bundle(folder, expected_sha256=version.bundle_sha256)
    return folder


def _forget_abandoned(cache: Path) -> None:
    # By age: a lock does not tell on a file system of the network who is still at it.
    for path in cache.glob(f".*{_PARTIAL}"):
        with suppress(FileNotFoundError):  # another task was faster
            if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def _downloaded(tracker: Tracker, version: RegisteredVersion, folder: Path) -> Path:
    try:
        return Path(tracker.client.download_artifacts(version.run_id, BUNDLE_ARTIFACT, str(folder)))
    except (MlflowException, OSError) as error:
        raise Unavailable(
            f"The bundle of version {version.version} cannot be fetched: {error}",
            remedy="See that the artifact store is reachable.",
        ) from error


def describe(tracker: Tracker, version: ModelVersion) -> RegisteredVersion:
    """A registry version as our own record.

    Raises:
        NotFound: the version was registered by something else and names no bundle.
    """
    try:
        identity, run_key = version.tags[BUNDLE_SHA256_TAG], version.tags["run_key"]
        dataset_id = version.tags["dataset_id"]
    except KeyError as error:
        raise NotFound(
            f"Version {version.version} carries no tag {error}.",
            remedy="Only versions registered by Vigie can be promoted.",
        ) from error
    base = tracker.tracking_uri.rstrip("/") if tracker.tracking_uri.startswith("http") else ""
    return RegisteredVersion(
        name=version.name,
        version=str(version.version),
        run_key=run_key,
        run_id=version.run_id,
        bundle_sha256=identity,
        dataset_id=dataset_id,
        url=f"{base}/#/models/{version.name}/versions/{version.version}" if base else "",
    )


def _ensure_model(tracker: Tracker) -> None:
    try:
        tracker.client.create_registered_model(
            MODEL_NAME, description="Sealed bundles; see model_card.md in each."
        )
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
