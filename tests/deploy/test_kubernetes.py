"""deploy/kubernetes against Kubernetes' own schema, the server's metric and its settings."""

import json
import re
import shutil
import subprocess
import warnings

import pytest
import yaml

from ml.settings import PROJECT_ROOT
from serving.settings import Settings

FOLDER = PROJECT_ROOT / "deploy" / "kubernetes"
OVERLAYS = ["base", "overlays/production", "overlays/keda"]
# The oldest and the newest that are supported; the newest that the validator knows.
VERSIONS = ["1.32.0", "1.34.0"]
MANIFESTS = sorted(FOLDER.glob("base/*.yaml"))

needs_kustomize = pytest.mark.skipif(
    shutil.which("kubectl") is None, reason="kubectl, which has kustomize, is not installed"
)


def validated(manifest, version):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own use of pkg_resources
        import kubernetes_validate

    kubernetes_validate.validate(manifest, version, strict=True)


def built(overlay):
    done = subprocess.run(
        ["kubectl", "kustomize", str(FOLDER / overlay)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [part for part in yaml.safe_load_all(done.stdout) if part]


def of_kind(manifests, kind):
    (found,) = [part for part in manifests if part["kind"] == kind]
    return found


@pytest.fixture(scope="module")
def base():
    found = [yaml.safe_load(path.read_text()) for path in MANIFESTS]
    return [part for part in found if part["kind"] != "Kustomization"]


@pytest.fixture(scope="module")
def pod(base):
    return of_kind(base, "Deployment")["spec"]["template"]["spec"]


@pytest.mark.parametrize("version", VERSIONS)
def test_each_manifest_meets_the_schema(base, version):
    for manifest in base:
        validated(manifest, version)


@needs_kustomize
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kustomize_builds_what_meets_the_schema(overlay):
    for manifest in built(overlay):
        if not manifest["apiVersion"].startswith("keda.sh/"):
            validated(manifest, VERSIONS[0])


@needs_kustomize
def test_one_thing_alone_says_how_many_pods_there_are():
    for overlay in OVERLAYS:
        manifests = built(overlay)
        assert "replicas" not in of_kind(manifests, "Deployment")["spec"]
        scalers = [
            part
            for part in manifests
            if part["kind"] in ("HorizontalPodAutoscaler", "ScaledObject")
        ]
        assert len(scalers) == 1


def test_a_pod_is_held_back(pod):
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_probes_ask_routes_that_the_server_has(pod):
    routes = json.dumps(sorted(_open_routes()))
    (container,) = pod["containers"]
    asked = {
        name: container[f"{name}Probe"]["httpGet"]["path"]
        for name in ("startup", "liveness", "readiness")
    }
    assert asked == {
        "startup": "/health/live",
        "liveness": "/health/live",
        "readiness": "/health/ready",
    }
    assert all(path in routes for path in asked.values())


def _open_routes():
    from serving.routes.health import router

    return {route.path for route in router.routes}


def test_a_pod_is_given_time_to_answer_what_it_has_taken(pod):
    (container,) = pod["containers"]
    pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] > pause + Settings().drain_seconds


def test_settings_are_those_of_the_server_and_secrets_come_from_a_secret(pod):
    names = {
        literal.partition("=")[0]
        for literal in yaml.safe_load((FOLDER / "base/kustomization.yaml").read_text())[
            "configMapGenerator"
        ][0]["literals"]
    }
    known = {f"VIGIE_{field.upper()}" for field in Settings.model_fields} | {"MLFLOW_TRACKING_URI"}
    assert names <= known
    assert not any(re.search("PASSWORD|SECRET|DATABASE", name) for name in names)
    (container,) = pod["containers"]
    (given,) = container["env"]
    assert given["name"] == "VIGIE_DATABASE_URL"
    assert "secretKeyRef" in given["valueFrom"]


def test_autoscalers_follow_the_metric_that_the_server_exposes(base):
    metric = "vigie_images_pending"
    assert f'"{metric}"' in (PROJECT_ROOT / "serving" / "service.py").read_text()
    (hpa,) = of_kind(base, "HorizontalPodAutoscaler")["spec"]["metrics"]
    assert hpa["pods"]["metric"]["name"] == metric
    keda = yaml.safe_load((FOLDER / "overlays/keda/scaled-object.yaml").read_text())
    (trigger,) = keda["spec"]["triggers"]
    assert f"sum({metric}{{" in trigger["metadata"]["query"]
    assert trigger["metadata"]["threshold"] == hpa["pods"]["target"]["averageValue"]
    assert keda["spec"]["scaleTargetRef"]["name"] == of_kind(base, "Deployment")["metadata"]["name"]


def test_an_update_or_a_drained_node_leaves_pods_that_answer(base):
    strategy = of_kind(base, "Deployment")["spec"]["strategy"]["rollingUpdate"]
    assert strategy["maxUnavailable"] == 0
    assert of_kind(base, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    assert of_kind(base, "HorizontalPodAutoscaler")["spec"]["minReplicas"] >= 2


def test_selectors_find_the_pods(base):
    labels = of_kind(base, "Deployment")["spec"]["template"]["metadata"]["labels"]
    selectors = [
        of_kind(base, "Service")["spec"]["selector"],
        of_kind(base, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        of_kind(base, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
    ]
    assert all(selector.items() <= labels.items() for selector in selectors)


def test_nobody_else_may_ask_and_nothing_else_is_reached(base):
    spec = of_kind(base, "NetworkPolicy")["spec"]
    assert set(spec["policyTypes"]) == {"Ingress", "Egress"}
    assert all(rule["from"] and rule["ports"] for rule in spec["ingress"])
    assert all(rule["to"] and rule["ports"] for rule in spec["egress"])
