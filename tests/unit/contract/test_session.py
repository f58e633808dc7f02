from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest

from ml.contract.bundle import MODEL_FILE, bundle_sha256, open_bundle, seal_bundle
from ml.contract.errors import BundleInvalid
from ml.contract.preprocessing import PREPROCESSING_VERSION, to_grid, to_input
from ml.contract.session import ModelSession
from tests.fakes.tiny_bundle import LABELS, SIDE, tiny_pixels, write_tiny_bundle


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> ModelSession:
    return ModelSession.open(write_tiny_bundle(tmp_path_factory.mktemp("bundle")))


def inputs(count: int) -> np.ndarray:
    return np.random.default_rng(5).uniform(-1, 1, (count, SIDE, SIDE, 1)).astype(np.float32)


@pytest.mark.parametrize(("level", "label"), [(10, "normal"), (128, "benign"), (245, "malignant")])
def test_the_model_answers(session: ModelSession, level: int, label: str) -> None:
    grid = to_grid(tiny_pixels(level), session.bundle.input)
    probabilities = session.run(to_input(grid)[np.newaxis]).probabilities[0]
    assert LABELS[int(probabilities.argmax())] == label
    assert probabilities.sum() == pytest.approx(1, abs=1e-5)


def test_outputs_have_one_row_per_image(session: ModelSession) -> None:
    outputs = session.run(inputs(3))
    assert outputs.probabilities.shape == (3, len(LABELS))
    assert outputs.embedding.shape[0] == 3
    assert outputs.activation_map.shape[0] == 3
    assert outputs.activation_map.shape[-1] == len(LABELS)


@pytest.mark.parametrize(("count", "size"), [(1, 16), (7, 3), (6, 3), (5, 1)])
def test_batches_change_no_answer(session: ModelSession, count: int, size: int) -> None:
    whole, pieces = session.run(inputs(count)), session.run_in_batches(inputs(count), size)
    assert np.allclose(whole.probabilities, pieces.probabilities, atol=1e-6)
    assert pieces.activation_map.shape == whole.activation_map.shape


def test_no_images_give_no_answers(session: ModelSession) -> None:
    outputs = session.run_in_batches(inputs(0))
    assert outputs.probabilities.shape == (0, len(LABELS))


def test_threads_may_share_a_session(session: ModelSession) -> None:
    batches = [inputs(4) * scale for scale in np.linspace(0.1, 1, 12, dtype=np.float32)]
    expected = [session.run(batch).probabilities for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda batch: session.run(batch).probabilities, batches))
    assert all(np.array_equal(a, e) for a, e in zip(answers, expected, strict=True))


def test_a_bundle_that_does_not_reproduce_its_golden_answers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleInvalid, match="golden"):
        ModelSession.open(write_tiny_bundle(tmp_path, golden_offset=0.01))


def test_a_model_that_answers_with_no_number_is_refused(tmp_path: Path) -> None:
    bias = {"benign": float("nan")}
    with pytest.raises(BundleInvalid, match="not numbers"):
        ModelSession.open(write_tiny_bundle(tmp_path, label_bias=bias))


def test_a_bundle_for_other_preprocessing_is_refused(tmp_path: Path) -> None:
    folder = write_tiny_bundle(tmp_path, preprocessing_version=PREPROCESSING_VERSION + 1)
    with pytest.raises(BundleInvalid, match="preprocessing"):
        ModelSession.open(folder)


def test_another_bundle_than_the_expected_one_is_refused(tmp_path: Path) -> None:
    folder = write_tiny_bundle(tmp_path)
    assert ModelSession.open(folder, expected_sha256=bundle_sha256(folder))
    with pytest.raises(BundleInvalid, match="expected 000000000000"):
        ModelSession.open(folder, expected_sha256="0" * 64)


def test_a_file_that_is_no_graph_is_refused(tmp_path: Path) -> None:
    folder = write_tiny_bundle(tmp_path)
    bundle = open_bundle(folder)
    (folder / MODEL_FILE).write_bytes(b"not a graph")
    seal_bundle(folder, bundle)
    with pytest.raises(BundleInvalid, match="cannot load"):
        ModelSession.open(folder)


def test_a_graph_without_the_three_outputs_is_refused(tmp_path: Path) -> None:
    folder = write_tiny_bundle(tmp_path)
    bundle = open_bundle(folder)
    graph = onnx.load(folder / MODEL_FILE)
    del graph.graph.output[1]
    onnx.save(graph, folder / MODEL_FILE)
    seal_bundle(folder, bundle)
    with pytest.raises(BundleInvalid, match="has outputs"):
        ModelSession.open(folder)
