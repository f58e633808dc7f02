"""The real OpenVINO on a tiny graph; skips where the extra is not installed."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from ml.contract.bundle import GOLDEN_FILE, MODEL_FILE
from ml.contract.engine import OUTPUTS
from ml.contract.engine_onnxruntime import OnnxRuntimeEngine
from ml.contract.engine_openvino import OpenVinoEngine
from ml.contract.errors import EngineUnusable
from ml.contract.session import ModelSession
from tests.fakes.tiny_bundle import SIDE, write_tiny_bundle

installed = pytest.mark.skipif(
    find_spec("openvino") is None, reason="needs the extra `openvino`, which is not installed"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundle"), work=1)


def inputs(count: int) -> np.ndarray:
    return np.random.default_rng(5).uniform(-1, 1, (count, SIDE, SIDE, 1)).astype(np.float32)


@installed
def test_all_outputs_are_those_of_onnx_runtime_whatever_the_batch(folder):
    engine = OpenVinoEngine(folder / MODEL_FILE, "f32")
    actual = engine.run(inputs(3))
    expected = OnnxRuntimeEngine(folder / MODEL_FILE).run(inputs(3))
    for name in OUTPUTS:
        np.testing.assert_allclose(getattr(actual, name), getattr(expected, name), atol=1e-5)


@installed
def test_every_copy_answers_alike_and_callers_side_by_side_get_their_own_answers(folder):
    engine = OpenVinoEngine(folder / MODEL_FILE, "f32", streams=3)
    answers = list(engine.run_each(inputs(4)))
    assert len(answers) == 3
    assert all(np.array_equal(a.probabilities, answers[0].probabilities) for a in answers)
    batches = [inputs(2) * scale for scale in np.linspace(0.1, 1, 24, dtype=np.float32)]
    expected = [engine.run(batch).probabilities for batch in batches]
    with ThreadPoolExecutor(6) as pool:
        actual = list(pool.map(lambda batch: engine.run(batch).probabilities, batches))
    assert all(np.array_equal(a, e) for a, e in zip(actual, expected, strict=True))


@installed
def test_answers_outlive_the_call_after_them(folder):
    engine = OpenVinoEngine(folder / MODEL_FILE, "f32")
    first = engine.run(inputs(1))
    kept = first.probabilities.copy()
    engine.run(-inputs(1))
    assert np.array_equal(first.probabilities, kept)


@installed
def test_a_pinned_session_answers_with_it_and_says_so(folder):
    session = ModelSession.open(folder, engine="openvino", streams=2)
    assert session.choice.engine.startswith("openvino-")
    with np.load(folder / GOLDEN_FILE) as golden:
        answers = session.run(golden["inputs"])
        np.testing.assert_allclose(answers.probabilities, golden["probabilities"], atol=0.02)
        np.testing.assert_allclose(answers.embedding, golden["embedding"], atol=0.25)


@installed
def test_a_file_that_is_no_graph_is_refused(tmp_path):
    (tmp_path / MODEL_FILE).write_bytes(b"not a graph")
    with pytest.raises(EngineUnusable, match="cannot compile"):
        OpenVinoEngine(tmp_path / MODEL_FILE, "f32")


@installed
def test_it_never_speaks_to_the_network_nor_writes_home(tmp_path):
    """Importing OpenVINO plainly loads its telemetry; through the engine it must not."""
    program = (
        "import sys\n"
        "from ml.contract import engine_openvino\n"
        "def watch(event, arguments):\n"
        "    if event in ('socket.connect', 'socket.getaddrinfo'):\n"
        "        sys.stderr.write(f'{event} {arguments}')\n"
        "sys.addaudithook(watch)\n"
        "engine_openvino._import()\n"
        "print([name for name in sys.modules if 'telemetry' in name])\n"
    )
    environment = {**os.environ, "HOME": str(tmp_path)}
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True
    )
    assert (finished.stdout.strip(), finished.stderr) == ("[]", "")
    assert list(tmp_path.iterdir()) == []


def test_where_it_is_not_installed_the_error_says_what_to_do(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(EngineUnusable, match="Install the extra `openvino`"):
        OpenVinoEngine(folder / MODEL_FILE, "f32")
    session = ModelSession.open(folder, engine="auto")
    assert session.choice.engine == "onnxruntime"
    assert "not installed" in session.choice.sentence()
