"""The Dockerfiles, as far as text can tell."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ml.settings import PROJECT_ROOT

DOCKERFILES = sorted((PROJECT_ROOT / "deploy" / "docker").glob("*.Dockerfile"))


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.stem)
def test_an_image_is_pinned_locked_and_runs_unprivileged(path):
    text = path.read_text()

    assert all(re.search(r":\d", image) for image in re.findall(r"^FROM (\S+)", text, re.MULTILINE))
    assert "uv sync --frozen" in text
    final = text.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001:10001$", final, re.MULTILINE)


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.stem)
def test_hadolint_has_nothing_to_say(path):
    hadolint = Path(sys.executable).with_name("hadolint")
    checked = subprocess.run([hadolint, path], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout) == (0, ""), checked.stdout + checked.stderr


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.stem)
def test_what_an_image_copies_is_in_the_build_context(path):
    allowed = (PROJECT_ROOT / ".dockerignore").read_text().split()
    for line in re.findall(r"^COPY (?!--from)(.+) \S+$", path.read_text(), re.MULTILINE):
        for source in line.split():
            assert (PROJECT_ROOT / source).exists()
            assert f"!{source}" in allowed


SERVING_EXTRAS = {"serve", "openvino", "oidc", "tracing"}


def test_the_server_image_installs_what_serving_needs_alone():
    text = (PROJECT_ROOT / "deploy" / "docker" / "serving.Dockerfile").read_text()

    assert set(re.findall(r"--extra (\S+)", text)) == SERVING_EXTRAS


def test_the_pipeline_image_installs_all_that_the_journey_needs():
    text = (PROJECT_ROOT / "deploy" / "docker" / "pipeline.Dockerfile").read_text()
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())

    # It blesses and measures with the reference engine; what clients use is for clients.
    elsewhere = (SERVING_EXTRAS - {"serve"}) | {"client", "dev"}
    wanted = set(project["project"]["optional-dependencies"]) - elsewhere
    assert set(re.findall(r"--extra (\S+)", text)) == wanted
