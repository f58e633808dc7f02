from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from ml.contract.bundle import (
    AdaptiveVote,
    Bundle,
    InputSpec,
    MemberSpec,
    QuantizationSpec,
    open_bundle,
)
from ml.contract.decision import DecisionPolicy
from ml.contract.errors import BundleInvalid
from ml.contract.preprocessing import PREPROCESSING_VERSION
from ml.contract.quality import measure
from ml.contract.session import ModelSession
from ml.packaging.compose import Voter
from ml.packaging.graph import open_graph, run_graph
from ml.packaging.seal import golden_positions, seal
from ml.training.projection import Projection
from tests.unit.packaging.small_member import SIDE, noise, write_small_member

LABELS = ["normal", "benign", "malignant"]
ROWS = 20


def bundle() -> Bundle:
    return Bundle(
        name="vigie",
        labels=LABELS,
        input=InputSpec(height=SIDE, width=SIDE, channels=1),
        preprocessing_version=PREPROCESSING_VERSION,
        temperature=1.2,
        policy=DecisionPolicy(
            critical_label="malignant",
            critical_threshold=0.4,
            refer_below=0.5,
            refer_margin=0.02,
            outlier_distance=3.0,
        ),
        members=[MemberSpec(name="a", architecture="cnn", weight=1, precision="fp32", flip_rate=0)],
        quantization=QuantizationSpec(
            calibration_method="minmax",
            calibration_images=4,
            per_channel=True,
            reduce_range=False,
            cpu_model="test",
            cpu_features=[],
        ),
        dataset_id="d",
        run_key="r",
        git_commit="0" * 40,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def validation_rows() -> pd.DataFrame:
    pixels = ((noise(ROWS)[..., 0] + 1) * 127.5).astype(np.uint8)
    facts = {
        "image_id": [f"{number:064d}" for number in range(ROWS)],
        "label": [LABELS[number % 3] for number in range(ROWS)],
        "site": "north",
        "scanner": None,
        "group": [f"patient {number // 2}" for number in range(ROWS)],
    }
    statistics = pd.DataFrame([measure(image).model_dump() for image in pixels])
    return pd.concat([pd.DataFrame(facts), statistics], axis=1)


def seal_small(folder, tmp_path, *, weight: float = 1.0, adaptive: AdaptiveVote | None = None):
    """A bundle of member `a`, in an adaptive vote with a second one beside it."""
    members = [Voter(write_small_member(tmp_path / "a.onnx", seed=1), "a", weight)]
    if adaptive is not None:
        members.append(Voter(write_small_member(tmp_path / "b.onnx", seed=2), "b", weight))
    rng = np.random.default_rng(0)
    return seal(
        folder,
        bundle=bundle().model_copy(update={"adaptive": adaptive}),
        members=members,
        projection=Projection(
            rng.normal(size=5).astype(np.float32), rng.normal(size=(5, 3)).astype(np.float32)
        ),
        projection_rows=[0, 5, 7],
        validation_rows=validation_rows(),
        validation_inputs=noise(ROWS),
        card="# Card\n",
    )


def test_a_sealed_bundle_opens_and_answers_as_its_reference_says(tmp_path):
    info = seal_small(tmp_path / "bundle", tmp_path)
    session = ModelSession.open(tmp_path / "bundle", expected_sha256=info.sha256)
    reference = pd.read_parquet(tmp_path / "bundle" / "reference.parquet")
    answers = session.run(noise(ROWS))
    np.testing.assert_allclose(
        reference[["p_normal", "p_benign", "p_malignant"]], answers.probabilities, atol=1e-6
    )
    np.testing.assert_allclose(
        reference[["embedding_0", "embedding_1", "embedding_2"]], answers.embedding, atol=1e-5
    )
    assert (info.reference_images, info.baseline_images) == (20, 17)


def test_the_reference_keeps_projection_and_baseline_apart(tmp_path):
    seal_small(tmp_path / "bundle", tmp_path)
    reference = pd.read_parquet(tmp_path / "bundle" / "reference.parquet")
    assert np.flatnonzero(reference["role"] == "projection").tolist() == [0, 5, 7]
    assert set(reference["action"]) <= {"report", "refer"}
    assert set(reference["predicted"]) <= set(LABELS)
    assert {"mean", "sharpness", "width", "site", "scanner"} <= set(reference.columns)


def test_an_adaptive_bundle_tells_where_one_member_answered_alone(tmp_path):
    first = write_small_member(tmp_path / "a.onnx", seed=1)
    logits = run_graph(open_graph(first), noise(ROWS), ["logits"])["logits"]
    alone = softmax(logits, axis=1)
    adaptive = AdaptiveVote(
        first="a",
        temperature=1,
        critical_ceiling=float(np.median(alone[:, 2])),
        confidence=float(alone[:, :2].max(axis=1).min()),
        stopped=0.5,
    )
    seal_small(tmp_path / "bundle", tmp_path, weight=0.5, adaptive=adaptive)
    session = ModelSession.open(tmp_path / "bundle")
    assert session.bundle.adaptive == adaptive
    assert 0 < session.run(noise(ROWS)).stopped_early.sum() < ROWS
    assert session.run_in_batches(noise(ROWS), 3).stopped_early.shape == (ROWS,)


def test_sealing_again_replaces_the_bundle_and_leaves_no_rest(tmp_path):
    first = seal_small(tmp_path / "out" / "bundle", tmp_path)
    second = seal_small(tmp_path / "out" / "bundle", tmp_path)
    assert first.sha256 == second.sha256
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["bundle"]
    assert open_bundle(tmp_path / "out" / "bundle").run_key == "r"


def test_a_failed_seal_leaves_nothing_half_written(tmp_path):
    with pytest.raises(BundleInvalid):
        seal_small(tmp_path / "out" / "bundle", tmp_path, weight=0.0)
    assert list((tmp_path / "out").iterdir()) == []


def test_golden_images_span_the_answers():
    probabilities = np.random.default_rng(0).dirichlet([1, 1, 1], 100).astype(np.float32)
    golden = golden_positions(probabilities)
    assert len(set(golden.tolist())) == 8
    assert probabilities[golden[0], 0] == probabilities[:, 0].min()
    assert probabilities[golden[-1], 0] == probabilities[:, 0].max()


def test_fewer_images_than_golden_ones_are_all_golden():
    assert sorted(golden_positions(np.eye(3, dtype=np.float32)).tolist()) == [0, 1, 2]
