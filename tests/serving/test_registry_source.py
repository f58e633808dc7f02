"""Against a real MLflow server process."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from mlflow import MlflowClient

from ml.contract.bundle import bundle_sha256
from ml.contract.errors import BundleInvalid, Unavailable
from serving.bundle_cache import BundleCache
from serving.registry_source import RegistrySource
from tests.fakes.tiny_bundle import write_tiny_bundle
from tests.serving.images import png
from tests.serving.registry_process import RegistryProcess
from tests.serving.server_process import ServerProcess

pytestmark = pytest.mark.slow
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def mlflow_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with RegistryProcess(tmp_path_factory.mktemp("mlflow")) as registry:
        yield registry.url


@pytest.fixture(scope="module")
def register(
    mlflow_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., tuple[str, Path]]:
    client = MlflowClient(mlflow_url)
    client.create_registered_model("vigie")
    experiment = client.create_experiment("tiny")

    def add(alias: str, run_key: str, **tags: str) -> tuple[str, Path]:
        bundle = write_tiny_bundle(tmp_path_factory.mktemp("b") / "bundle", run_key=run_key)
        run = client.create_run(experiment).info
        client.log_artifacts(run.run_id, str(bundle), "bundle")
        version = client.create_model_version(
            "vigie",
            source=f"{run.artifact_uri}/bundle",
            run_id=run.run_id,
            tags={"bundle_sha256": bundle_sha256(bundle), **tags},
        )
        client.set_registered_model_alias("vigie", alias, version.version)
        return str(version.version), bundle

    return add


def source(url: str, folder: Path, alias: str = "production") -> RegistrySource:
    return RegistrySource(url, "vigie", alias, BundleCache(folder))


def test_the_alias_leads_to_a_verified_bundle(mlflow_url, register, tmp_path):
    version, bundle = register("production", "a")
    registry = source(mlflow_url, tmp_path)
    candidate = registry.look()
    assert candidate.identity.version == version
    assert candidate.identity.bundle == bundle_sha256(bundle)
    assert bundle_sha256(registry.fetch(candidate)) == bundle_sha256(bundle)


def test_an_alias_that_names_nothing_is_no_error(mlflow_url, register, tmp_path):
    assert source(mlflow_url, tmp_path, alias="nobody").look() is None


def test_a_bundle_other_than_the_tag_says_is_refused(mlflow_url, register, tmp_path):
    register("forged", "b", bundle_sha256="f" * 64)
    registry = source(mlflow_url, tmp_path, alias="forged")
    with pytest.raises(BundleInvalid):
        registry.fetch(registry.look())


def test_a_canary_has_the_weight_of_its_tag_and_is_not_what_the_server_starts_with(
    mlflow_url, register, tmp_path
):
    register("production", "p")
    register("canary", "q", canary_weight="0.25")
    cache = BundleCache(tmp_path)
    production = RegistrySource(mlflow_url, "vigie", "production", cache)
    canary = RegistrySource(mlflow_url, "vigie", "canary", cache, role="canary")
    for one in (production, canary):
        candidate = one.look()
        one.fetch(candidate)
        one.accept(candidate)
    assert (production.look().weight, canary.look().weight) == (1.0, 0.25)
    assert production.last_good() == production.look()
    assert canary.last_good() is None


@pytest.mark.parametrize("tags", [{}, {"canary_weight": "much"}, {"canary_weight": "nan"},
                                  {"canary_weight": "1.5"}])  # fmt: skip
def test_a_canary_without_a_weight_is_refused(mlflow_url, register, tmp_path, tags):
    register("canary", f"without-{tags}".replace(" ", ""), **tags)
    canary = RegistrySource(mlflow_url, "vigie", "canary", BundleCache(tmp_path), role="canary")
    with pytest.raises(BundleInvalid, match="canary_weight"):
        canary.look()


def test_a_dead_registry_is_unavailable(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(Unavailable):
        source(NOWHERE, tmp_path).look()


def test_a_server_follows_the_alias_and_starts_again_without_the_registry(
    mlflow_url, register, tmp_path
):
    first, _ = register("production", "c")
    environment = {"MLFLOW_TRACKING_URI": mlflow_url, "VIGIE_POLL_SECONDS": "0.2"}
    with ServerProcess(tmp_path, environment=environment) as server:
        server.wait_until_ready()
        model = httpx.get(f"{server.url}/model").json()
        assert (model["version"], model["alias"]) == (first, "production")
        second, _ = register("production", "d")
        deadline = time.monotonic() + 30
        while httpx.get(f"{server.url}/model").json()["version"] != second:
            assert time.monotonic() < deadline, server.log.read_text()
            time.sleep(0.1)
    with ServerProcess(tmp_path, environment={"MLFLOW_TRACKING_URI": NOWHERE}) as server:
        server.wait_until_ready()
        answer = httpx.post(f"{server.url}/predict", files={"file": png()})
        assert answer.json()["model"]["version"] == second
