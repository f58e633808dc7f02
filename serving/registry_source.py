"""The MLflow registry as a source: an alias names a version, a tag its bundle's sha256."""

import math
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ml.contract.errors import BundleInvalid, Unavailable
from ml.contract.records import ModelIdentity, Role
from ml.contract.registry_names import BUNDLE_ARTIFACT, BUNDLE_SHA256_TAG, CANARY_WEIGHT_TAG
from serving.bundle_cache import BundleCache
from serving.sources import Candidate

if TYPE_CHECKING:
    from mlflow import MlflowClient

_NO_SUCH_ALIAS = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
_opening = threading.Lock()


class RegistrySource:
    """Follows one alias of one registered model, for one role."""

    def __init__(
        self,
        tracking_uri: str,
        model_name: str,
        alias: str,
        cache: BundleCache,
        *,
        role: Role = "production",
    ) -> None:
        self._role: Role = role
        self._tracking_uri = tracking_uri
        self._model_name = model_name
        self._alias = alias
        self._cache = cache

    @property
    def _client(self) -> "MlflowClient":
        with _opening:  # the watchers of several roles may ask at once
            return _open_client(self._tracking_uri)

    def look(self) -> Candidate | None:
        """The version that the alias names now."""
        try:
            version = self._client.get_model_version_by_alias(self._model_name, self._alias)
        except Exception as error:  # the client raises types of HTTP, database and MLflow
            if getattr(error, "error_code", None) in _NO_SUCH_ALIAS:
                return None
            raise Unavailable(
                f"The registry does not answer: {_first_line(error)}",
                remedy="See that MLFLOW_TRACKING_URI is right and MLflow runs.",
            ) from error
        sha256 = version.tags.get(BUNDLE_SHA256_TAG)
        if sha256 is None or version.run_id is None:
            raise BundleInvalid(
                f"Version {version.version} carries no tag {BUNDLE_SHA256_TAG}.",
                remedy="Point the alias to a version that Vigie registered.",
            )
        identity = ModelIdentity(name=self._model_name, version=str(version.version), bundle=sha256)
        return Candidate(
            identity=identity,
            alias=self._alias,
            location=version.run_id,
            weight=self._weight(version.version, version.tags),
        )

    def last_good(self) -> Candidate | None:
        """The version that answered last, from the local disk; none beside production."""
        if self._role != "production":
            return None
        candidate = self._cache.last_good()
        follows_us = candidate is not None and (
            candidate.identity.name == self._model_name and candidate.alias == self._alias
        )
        return candidate if follows_us else None

    def fetch(self, candidate: Candidate) -> Path:
        """The version's bundle, from the local disk or the artifacts of its run."""

        def download(folder: Path) -> Path:
            try:
                return Path(
                    self._client.download_artifacts(
                        candidate.location, BUNDLE_ARTIFACT, str(folder)
                    )
                )
            except Exception as error:  # as many types as there are artifact stores
                raise Unavailable(
                    f"The bundle of version {candidate.identity.version} cannot be fetched: "
                    f"{_first_line(error)}",
                    remedy="See that the artifact store is reachable.",
                ) from error

        return self._cache.fetch(candidate.identity.bundle, download)

    def accept(self, candidate: Candidate) -> None:
        """Remember production's version for a start without the registry."""
        if self._role == "production":
            self._cache.remember(candidate)
        else:
            self._cache.keep(candidate)

    def _weight(self, version: str, tags: Mapping[str, str]) -> float:
        if self._role != "canary":
            return 1.0 if self._role == "production" else 0.0
        try:
            weight = float(tags[CANARY_WEIGHT_TAG])
        except (KeyError, ValueError):
            weight = math.nan
        if not 0 < weight <= 1:
            raise BundleInvalid(
                f"Version {version} carries no tag {CANARY_WEIGHT_TAG} between 0 and 1.",
                remedy="Start the canary with `vigie canary`.",
            )
        return weight


@cache
def _open_client(tracking_uri: str) -> "MlflowClient":
    # Seconds of import that a server with a cached bundle need not wait for.
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=tracking_uri)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
