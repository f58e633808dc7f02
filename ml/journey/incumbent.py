"""What was in production when a run started, as its own bundle."""

from pathlib import Path

from ml.journey.run import Run, tracker_of
from ml.journey.workspace import Workspace


def incumbent_bundle(workspace: Workspace, run: Run) -> Path | None:
    """The incumbent's bundle as a local folder; None where nothing was in production.

    Raises:
        NotFound: the registry has that version no more.
        BundleInvalid: what was downloaded is not what was registered.
        Unavailable: the registry or the artifact store does not answer.
    """
    from ml.registry.models import fetch_bundle, version_by_number

    if run.info.incumbent_version is None:
        return None
    tracker = tracker_of(workspace)
    version = version_by_number(tracker, run.info.incumbent_version)
    return fetch_bundle(tracker, version, workspace.bundles)
