"""docker-compose.yml against the Compose specification, and what it promises to operators."""

import os
import re
import shutil
import subprocess

import pytest
import yaml

from ml.settings import PROJECT_ROOT

COMPOSE = PROJECT_ROOT / "docker-compose.yml"
VARIABLE = re.compile(r"\$\{(\w+)(:[-?][^}]*)?\}")


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load(COMPOSE.read_text())


def has_docker_compose():
    if shutil.which("docker") is None:
        return False
    found = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    return found.returncode == 0


def test_it_meets_the_compose_specification():
    compose_spec = pytest.importorskip(
        "compose_spec", reason="the Compose specification (package compose-spec) is not installed"
    )
    text = VARIABLE.sub("1234", COMPOSE.read_text())
    parsed = yaml.safe_load(text)
    plain = {key: value for key, value in parsed.items() if not key.startswith("x-")}

    compose_spec.PyCompose.from_yaml(yaml.safe_dump(plain))


@pytest.mark.skipif(not has_docker_compose(), reason="`docker compose` is not installed")
def test_docker_compose_accepts_it():
    secrets = {
        name: "x" for name, default in VARIABLE.findall(COMPOSE.read_text()) if "?" in default
    }
    subprocess.run(
        ["docker", "compose", "--file", str(COMPOSE), "config", "--quiet"],
        env={**os.environ, **secrets},
        check=True,
    )


def test_secrets_have_no_default_and_stand_in_the_example():
    example = (PROJECT_ROOT / ".env.example").read_text()
    variables = dict(VARIABLE.findall(COMPOSE.read_text()))

    for name, default in variables.items():
        if re.search("PASSWORD|SECRET|KEY", name):
            assert default.startswith(":?"), name
            assert re.search(rf"^{name}=$", example, re.MULTILINE)
        else:
            assert f"{name}={default.removeprefix(':-')}" in example
    # What nothing reads would be set in vain.
    assert set(re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE)) <= set(variables)


def test_images_are_pinned(compose):
    for name, service in compose["services"].items():
        tag = service["image"].partition(":")[2]
        assert re.search(r"\d+\.\d+", tag), name


def test_what_others_wait_for_tells_its_health(compose):
    services = compose["services"]
    for name, service in services.items():
        for dependency, wait in service.get("depends_on", {}).items():
            if wait["condition"] == "service_healthy":
                image = services[dependency]["image"]
                assert "healthcheck" in services[dependency] or image.startswith("vigie-serving"), (
                    name
                )


def test_ports_are_open_on_this_machine_only(compose):
    for service in compose["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_mounted_files_exist(compose):
    for service in compose["services"].values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            if source.startswith("./"):
                assert (PROJECT_ROOT / source).is_file(), source


def test_every_airflow_process_of_the_local_stack_is_here_too(compose):
    from ml.settings import Settings
    from ml.stack.config import StackConfig
    from ml.stack.procfile import commands

    local = commands(StackConfig.from_settings(Settings()))

    assert set(local) <= set(compose["services"])
