import json
from dataclasses import replace

import numpy as np
import pytest

from ml.contract.errors import NotFound, TrainingFailed
from ml.training.checkpoint import load_member
from ml.training.fit import train_member
from ml.training.member_files import read_member, read_validation
from ml.training.steps import Predictor
from tests.unit.training.examples import LABELS, PARAMS, SPEC, small_data


def train(folder, *, data=None, name="cnn", champion=None, on_epoch=None, cache=None, **changes):
    return train_member(
        name,
        data=data or small_data(),
        labels=LABELS,
        params=PARAMS.model_copy(update=changes),
        spec=SPEC,
        folder=folder,
        champion=champion,
        feature_cache=cache,
        on_epoch=on_epoch,
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "cnn"
    seen = []
    return folder, train(folder, epochs=6, on_epoch=seen.append), seen


def test_a_network_learns_and_reports_every_epoch(trained):
    _, result, seen = trained
    assert result.validation.accuracy > 0.9
    assert [record.epoch for record in seen] == list(range(1, result.epochs + 1))
    assert result.history == seen
    assert result.validation.log_loss == pytest.approx(
        min(record.validation.log_loss for record in seen), abs=1e-4
    )


def test_the_folder_rebuilds_the_model_that_was_kept(trained):
    folder, _, _ = trained
    outputs = Predictor(load_member(folder))(small_data().validation_images)
    kept = read_validation(folder)
    np.testing.assert_allclose(outputs.logits, kept.logits, atol=1e-5)
    np.testing.assert_allclose(outputs.features, kept.features, atol=1e-5)
    assert json.loads((folder / "history.json").read_text())[0]["phase"] == "fine_tune"
    assert list((folder / "tensorboard").rglob("events.*"))


def test_a_finished_member_is_not_trained_again(trained):
    folder, result, _ = trained
    before = (folder / "member.json").stat().st_mtime_ns
    assert train(folder, epochs=6) == result
    assert (folder / "member.json").stat().st_mtime_ns == before


def test_what_an_interrupted_training_left_is_replaced(tmp_path):
    folder = tmp_path / "cnn"
    folder.mkdir()
    (folder / "weights.weights.h5").write_bytes(b"half a file")
    result = train(folder, epochs=1)
    assert read_member(folder) == result
    assert load_member(folder).count_params() > 0


def test_equal_seeds_give_equal_weights(tmp_path):
    for name in ("a", "b"):
        train(tmp_path / name, head_epochs=1, epochs=1)
    first, second = (read_validation(tmp_path / name) for name in ("a", "b"))
    np.testing.assert_array_equal(first.logits, second.logits)


def test_a_head_is_trained_on_cached_features_before_fine_tuning(tmp_path):
    cache = tmp_path / "cache"
    result = train(tmp_path / "cnn", head_epochs=2, epochs=1, cache=cache)
    assert [record.phase for record in result.history] == ["head", "head", "fine_tune"]
    arrays = sorted(cache.glob("*/*.npy"))
    assert sorted(len(np.load(path)) for path in arrays) == [30, 96]


def test_a_champion_starts_where_it_stopped(trained, tmp_path):
    folder, champion, _ = trained
    result = train(
        tmp_path / "next",
        champion=folder,
        initialisation="champion",
        epochs=1,
        learning_rate=1e-5,
    )
    assert result.validation.log_loss <= champion.validation.log_loss + 0.02


def test_a_member_unknown_to_the_incumbent_is_refused(tmp_path):
    with pytest.raises(NotFound, match="incumbent has no trained cnn"):
        train(tmp_path / "cnn", initialisation="champion", champion=tmp_path / "absent")


def test_a_class_without_images_is_refused_by_name(tmp_path):
    data = small_data()
    kept = data.validation_labels != 2
    data = replace(
        data,
        validation_images=data.validation_images[kept],
        validation_labels=data.validation_labels[kept],
    )
    with pytest.raises(TrainingFailed, match="validation split holds no image of malignant"):
        train(tmp_path / "cnn", data=data)


def test_a_diverging_loss_is_refused_and_leaves_no_member(tmp_path):
    with pytest.raises(TrainingFailed, match="learning_rate"):
        train(tmp_path / "cnn", learning_rate=1e30, epochs=3)
    assert not (tmp_path / "cnn" / "member.json").exists()


def test_images_without_information_give_a_refusal_instead_of_a_constant_model(tmp_path):
    data = small_data()
    data = replace(
        data,
        train_images=np.zeros_like(data.train_images),
        validation_images=np.zeros_like(data.validation_images),
    )
    with pytest.raises(TrainingFailed, match="same answer"):
        train(tmp_path / "cnn", data=data, epochs=1)
