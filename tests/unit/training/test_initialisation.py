from pathlib import Path

import keras
import numpy as np
import pytest

from ml.contract.bundle import InputSpec
from ml.contract.errors import InvalidParams, NotFound, Unavailable
from ml.training.architectures import ARCHITECTURES, BACKBONE, Architecture, as_is
from ml.training.initialisation import build_member
from tests.unit.training.examples import SPEC

MOBILENET = (
    Path(__file__).parents[4] / "shared/data/weights/mobilenet_v2_1.0_224_imagenet_notop.weights.h5"
)


def build(name: str, initialisation: str, weights_file: Path | None = None) -> keras.Model:
    return build_member(
        name,
        SPEC,
        3,
        initialisation=initialisation,
        weights_file=weights_file,
        dropout=0.1,
        l2=0.0,
    )


def no_network() -> keras.Model:
    raise ConnectionError("no route to host")


def test_a_failed_download_names_the_alternatives(monkeypatch):
    offline = Architecture("offline", ARCHITECTURES["cnn"].build, as_is, 16, pretrained=no_network)
    monkeypatch.setitem(ARCHITECTURES, "offline", offline)
    with pytest.raises(Unavailable, match=r"file .*champion or random") as caught:
        build("offline", "imagenet")
    assert "no route to host" in str(caught.value)


def test_an_architecture_without_imagenet_weights_says_so():
    with pytest.raises(InvalidParams, match="no ImageNet weights for cnn"):
        build("cnn", "imagenet")


def test_a_missing_weights_file_is_not_replaced_by_random_weights(tmp_path):
    with pytest.raises(NotFound, match="does not exist"):
        build("cnn", "file", tmp_path / "cnn.weights.h5")


def test_weights_of_another_network_are_refused(tmp_path):
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    other.save_weights(tmp_path / "cnn.weights.h5")
    with pytest.raises(NotFound, match="does not fit"):
        build("cnn", "file", tmp_path / "cnn.weights.h5")


def test_backbone_weights_come_from_the_file(tmp_path):
    source = build("cnn", "random").get_layer(BACKBONE)
    source.save_weights(tmp_path / "cnn.weights.h5")
    loaded = build("cnn", "file", tmp_path / "cnn.weights.h5").get_layer(BACKBONE)
    for ours, theirs in zip(loaded.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.realdata
def test_imagenet_weights_from_a_file_tell_images_apart():
    if not MOBILENET.is_file():
        pytest.skip(f"{MOBILENET.name} is not on this machine")
    model = build_member(
        "mobilenetv2",
        InputSpec(height=224, width=224, channels=3),
        3,
        initialisation="file",
        weights_file=MOBILENET,
        dropout=0.0,
        l2=0.0,
    )
    rng = np.random.default_rng(0)
    smooth = np.kron(rng.uniform(-1, 1, (1, 7, 7, 3)), np.ones((1, 32, 32, 1)))
    noise = rng.uniform(-1, 1, (1, 224, 224, 3))
    features = model(np.concatenate([smooth, noise]).astype(np.float32))["features"].numpy()
    assert np.isfinite(features).all()
    assert np.corrcoef(features)[0, 1] < 0.9
