"""docker-compose.yml against the Compose specification, and what it promises to operators."""

import itertools
import os
import re
import shutil
import subprocess

import pytest
import yaml

from ml.settings import PROJECT_ROOT

COMPOSE = PROJECT_ROOT / "docker-compose.yml"
VARIABLE = re.compile(r"\$\{(\w+)(:[-?][^}]*)?\}")
PROFILES = ["dicom", "gpu"]
CHOICES = [chosen for size in range(3) for chosen in itertools.combinations(PROFILES, size)]
"""Every way to start it: without a profile, with each, with all."""


def interpolated():
    """The file as Compose reads it: variables replaced by their defaults, secrets by something."""
    text = VARIABLE.sub(
        lambda found: (found[2] or "").removeprefix(":-").partition(":?")[0] or "1234",
        COMPOSE.read_text(),
    )
    return yaml.safe_load(text.replace("$$", "$"))


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load(COMPOSE.read_text())


def started_with(compose, profiles):
    return {
        name: service
        for name, service in compose["services"].items()
        if not (wanted := service.get("profiles")) or set(wanted) & set(profiles)
    }


def has_docker_compose():
    if shutil.which("docker") is None:
        return False
    found = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    return found.returncode == 0


def test_it_meets_the_compose_specification():
    compose_spec = pytest.importorskip(
        "compose_spec", reason="the Compose specification (package compose-spec) is not installed"
    )
    parsed = interpolated()
    plain = {key: value for key, value in parsed.items() if not key.startswith("x-")}

    compose_spec.PyCompose.from_yaml(yaml.safe_dump(plain))


@pytest.mark.skipif(not has_docker_compose(), reason="`docker compose` is not installed")
@pytest.mark.parametrize("profiles", CHOICES, ids="+".join)
def test_docker_compose_accepts_it(profiles):
    secrets = {
        name: "x" for name, default in VARIABLE.findall(COMPOSE.read_text()) if "?" in default
    }
    chosen = [f"--profile={name}" for name in profiles]
    subprocess.run(
        ["docker", "compose", "--file", str(COMPOSE), *chosen, "config", "--quiet"],
        env={**os.environ, **secrets},
        check=True,
    )


@pytest.mark.parametrize("profiles", CHOICES, ids="+".join)
def test_whatever_is_started_all_that_it_refers_to_is_there(compose, profiles):
    services = started_with(compose, profiles)
    for name, service in services.items():
        assert set(service.get("depends_on", {})) <= set(services), name
        assert set(service["networks"]) <= set(compose["networks"]), name
        assert {found["source"] for found in service.get("configs", [])} <= set(
            compose.get("configs", {})
        )
        for volume in service.get("volumes", []):
            source = VARIABLE.sub("./bound", volume).partition(":")[0]
            assert source.startswith("./") or source in compose["volumes"], (name, volume)


def test_profiles_are_those_that_are_tested(compose):
    found = {
        name for service in compose["services"].values() for name in service.get("profiles", [])
    }
    assert found == set(PROFILES)


def test_the_order_in_which_parts_start_has_no_circle(compose):
    left = {
        name: set(service.get("depends_on", {})) for name, service in compose["services"].items()
    }
    while ready := [name for name, waits in left.items() if not waits]:
        for name in ready:
            del left[name]
        for waits in left.values():
            waits -= set(ready)
    assert not left


def test_secrets_have_no_default_and_stand_in_the_example():
    example = (PROJECT_ROOT / ".env.example").read_text()
    variables = dict(VARIABLE.findall(COMPOSE.read_text()))

    for name, default in variables.items():
        if re.search("PASSWORD|SECRET|KEY", name):
            # Nothing, where it may be left out.
            assert default.startswith(":?") or default == ":-", name
            assert re.search(rf"^#?{name}=$", example, re.MULTILINE), name
        else:
            assert f"#{name}={default.removeprefix(':-')}\n" in example
    # What nothing reads would be set in vain.
    assert set(re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE)) == set(variables)


def test_images_are_pinned(compose):
    for name, service in compose["services"].items():
        tag = service["image"].partition(":")[2]
        assert re.fullmatch(r"v?\d+\.\d+(\.\d+)?(-\w+)?", tag), name


def test_every_part_is_held_back(compose):
    """Nothing writes to its image, gains a privilege, or takes the machine from the others."""
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["tmpfs"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["cap_drop"] == ["ALL"], name
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}, name
        own = service["image"].startswith(("vigie-", "grafana/"))  # they name a user themselves
        assert own or not str(service["user"]).startswith(("0", "root")), name


def test_what_others_wait_for_tells_its_health(compose):
    services = compose["services"]
    for name, service in services.items():
        for dependency, wait in service.get("depends_on", {}).items():
            waited = services[dependency]
            if wait["condition"] == "service_healthy":
                own = waited["image"].startswith("vigie-serving")
                assert "healthcheck" in waited or own, name
            else:
                assert waited["restart"] == "no", name


def test_whatever_goes_on_tells_its_health_or_listens_nowhere(compose):
    silent = {
        name
        for name, service in compose["services"].items()
        if "healthcheck" not in service and service["restart"] != "no"
    }
    assert silent == {"guard", "server"}  # the server's is in its image


def test_ports_are_open_on_this_machine_only_unless_told_otherwise(compose):
    for service in compose["services"].values():
        ports = [re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", port) for port in service.get("ports", [])]
        assert all(port.startswith("127.0.0.1:") for port in ports)


def test_databases_models_and_images_are_reached_by_the_other_parts_alone(compose):
    assert compose["networks"]["inside"]["internal"] is True
    for name in ("postgres", "redis", "s3", "mlflow"):
        assert compose["services"][name]["networks"] == ["inside"]
        assert "ports" not in compose["services"][name]


def test_no_password_stands_in_a_command(compose):
    for name, service in compose["services"].items():
        command = str(service.get("command", ""))
        assert not re.search(r"\$\{\w*(PASSWORD|SECRET|KEY)", command), name


def test_replicas_can_be_added(compose):
    for name in ("server", "worker"):
        service = compose["services"][name]
        assert "ports" not in service
        assert "container_name" not in service
        assert re.fullmatch(r"\$\{\w+:-2\}", service["deploy"]["replicas"])


def test_what_trains_has_a_worker_with_a_gpu(compose):
    worker = compose["services"]["worker-gpu"]
    assert worker["command"][worker["command"].index("--queues") + 1] == "gpu"
    (device,) = worker["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]
    assert worker["image"] != compose["services"]["worker"]["image"]


def test_mounted_files_exist(compose):
    for service in compose["services"].values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            if source.startswith("./"):
                assert (PROJECT_ROOT / source).exists(), source


def test_every_process_of_the_local_stack_is_here_too(compose):
    from ml.settings import Settings
    from ml.stack.config import StackConfig
    from ml.stack.procfile import commands

    local = commands(StackConfig.from_settings(Settings(dicom_port=11112)))

    assert set(local) <= set(compose["services"])
