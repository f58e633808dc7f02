"""Each image's build steps, run here: what they copy, install and leave out."""

import json
import shutil
import subprocess
import sys

import pytest

from ml.settings import PROJECT_ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("uv") is None and not (PROJECT_ROOT / ".uv" / "bin" / "uv").exists(),
        reason="uv, which images are built with, is not installed",
    ),
]

FOUND = (
    "import importlib.util as util, json, sys;"
    "print(json.dumps([name for name in sys.argv[1:] if util.find_spec(name)]))"
)
SERVER = ["fastapi", "ml", "mlflow", "onnxruntime", "serving"]
PIPELINE = ["airflow", "celery", "evidently", "great_expectations", "tensorflow"]


@pytest.fixture(params=["serving", "pipeline"])
def image(request, tmp_path):
    """Name of an image, and the folder that is its root."""
    built = subprocess.run(
        [sys.executable, PROJECT_ROOT / "deploy/docker/build_here.py", request.param, tmp_path],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return request.param, tmp_path


def test_an_image_has_what_it_needs_and_the_server_nothing_else(image):
    name, root = image
    python = root / "vigie/app/.venv/bin/python"

    asked = [python, "-c", FOUND, *SERVER, *PIPELINE]
    found = subprocess.run(asked, capture_output=True, text=True, check=True, cwd=root)

    assert json.loads(found.stdout) == (SERVER if name == "serving" else [*SERVER, *PIPELINE])
    program = ["-m", "serving", "--help"] if name == "serving" else ["-m", "ml.cli", "--help"]
    subprocess.run([python, *program], capture_output=True, check=True, cwd=root)
