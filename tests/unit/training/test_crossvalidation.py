from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.contract.errors import TrainingFailed
from ml.contract.quality import STATISTIC_NAMES
from ml.params import load_params
from ml.settings import PROJECT_ROOT
from ml.training.crossvalidation import CrossvalidationData, cross_validate, grouped_folds
from tests.unit.training.examples import blobs


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), folds=st.integers(2, 5), size=st.integers(1, 4))
def test_every_image_is_tested_once_by_models_that_never_saw_its_group(seed, folds, size):
    groups = np.repeat(np.arange(60), size)
    labels = np.repeat(np.random.default_rng(seed).permutation(np.arange(60) % 3), size)
    splits = grouped_folds(labels, groups, folds=folds, seed=seed)
    assert (np.sum([split == "test" for split in splits], axis=0) == 1).all()
    for split in splits:
        assert pd.DataFrame({"g": groups, "s": split}).groupby("g")["s"].nunique().eq(1).all()
        for part in ("train", "validation", "test"):
            assert set(labels[split == part]) == {0, 1, 2}


def test_the_folds_depend_on_the_seed_alone():
    labels, groups = np.arange(90) % 3, np.arange(90) // 2
    first, again, other = (grouped_folds(labels, groups, folds=3, seed=seed) for seed in (1, 1, 2))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((a != b).any() for a, b in zip(first, other, strict=True))


def test_one_patient_who_holds_all_images_of_a_class_is_refused():
    labels = np.array([0] * 30 + [1] * 30 + [2] * 10)
    groups = np.array([*range(60), *[99] * 10])
    with pytest.raises(TrainingFailed, match="a class is in 1 groups"):
        grouped_folds(labels, groups, folds=3, seed=1)


def test_more_folds_than_images_of_a_class_are_refused():
    with pytest.raises(TrainingFailed, match="cannot be cut into 6 folds"):
        grouped_folds(np.array([0, 0, 0, 1, 1]), np.arange(5), folds=6, seed=1)


@pytest.fixture(scope="module")
def blob_data(tmp_path_factory: pytest.TempPathFactory) -> CrossvalidationData:
    images, labels = blobs(120, seed=3)
    path = tmp_path_factory.mktemp("folds") / "images.npy"
    np.save(path, images)
    rng = np.random.default_rng(0)
    statistics = pd.DataFrame({name: rng.uniform(size=120) for name in STATISTIC_NAMES})
    return CrossvalidationData(path, labels, np.arange(120) // 2, statistics)


@pytest.mark.slow
def test_pooled_answers_cover_all_images_and_finished_members_are_kept(
    blob_data: CrossvalidationData, tmp_path: Path
):
    params = load_params(
        PROJECT_ROOT / "params.toml",
        profile="demo",
        overrides=[
            "image.size=32",
            'training.members=["cnn", "cnn-2"]',
            "training.epochs=6",
            "training.learning_rate=3e-3",
        ],
    )
    splits = grouped_folds(blob_data.labels, blob_data.groups, folds=2, seed=1)
    trained: list[tuple[int, str, str]] = []

    def pool():
        return cross_validate(
            blob_data,
            splits,
            params=params,
            folder=tmp_path,
            on_trained=lambda fold, member: trained.append(
                (fold, member.member, member.weights_sha256)
            ),
        )

    answered = pool()
    np.testing.assert_allclose(answered.probabilities.sum(axis=1), 1, atol=1e-9)
    np.testing.assert_allclose(answered.weights.sum(axis=1), 1, atol=1e-9)
    assert set(answered.fold) == {0, 1}
    assert np.mean(answered.probabilities.argmax(axis=1) == blob_data.labels) > 0.6
    # Replicas differ by their seed.
    assert len({weights for _, _, weights in trained}) == 4
    first = sorted(trained)
    trained.clear()
    again = pool()
    assert sorted(trained) == first
    np.testing.assert_array_equal(again.probabilities, answered.probabilities)
