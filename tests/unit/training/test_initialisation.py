from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from ml.contract.bundle import InputSpec, sha256_file
from ml.contract.errors import InvalidParams, NotFound, Unavailable, WeightsInvalid
from ml.training.architectures import ARCHITECTURES, BACKBONE, Architecture
from ml.training.fit import train_member
from ml.training.initialisation import build_member, given_weights
from ml.training.input_adaptation import as_is
from tests.unit.training.examples import LABELS, PARAMS, SPEC, small_data

MOBILENET = (
    Path(__file__).parents[4] / "shared/data/weights/mobilenet_v2_1.0_224_imagenet_notop.weights.h5"
)
MOBILENET_SHA256 = "7e6fdb2557ac958012d5fa93c53db5989e7bfaf6906676222585ac8a5748af9b"


def build(
    name: str, initialisation: str, weights_file: Path | None = None, sha256: str | None = None
) -> keras.Model:
    return build_member(
        name,
        SPEC,
        3,
        initialisation=initialisation,
        weights_file=weights_file,
        weights_sha256=sha256,
        dropout=0.1,
        l2=0.0,
    )


def no_network() -> keras.Model:
    raise ConnectionError("no route to host")


@pytest.fixture
def weights_file(tmp_path: Path) -> Path:
    """Backbone weights of a small network, under a name of no special form."""
    path = tmp_path / "small.weights.h5"
    build("cnn", "random").get_layer(BACKBONE).save_weights(path)
    return path


def test_a_failed_download_names_the_alternatives(monkeypatch):
    offline = Architecture("offline", ARCHITECTURES["cnn"].build, as_is, 16, pretrained=no_network)
    monkeypatch.setitem(ARCHITECTURES, "offline", offline)
    with pytest.raises(Unavailable, match=r"file .*champion or random") as caught:
        build("offline", "imagenet")
    assert "no route to host" in str(caught.value)


@pytest.mark.parametrize("name", ["cnn", "vit"])
def test_an_architecture_without_imagenet_weights_says_so(name):
    with pytest.raises(InvalidParams, match=f"no ImageNet weights for {name}"):
        build(name, "imagenet")


def test_backbone_weights_come_from_the_file(weights_file):
    loaded = build("cnn", "file", weights_file).get_layer(BACKBONE).get_weights()
    again = build("cnn", "random").get_layer(BACKBONE)
    again.load_weights(weights_file)
    for ours, theirs in zip(loaded, again.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_file_with_the_expected_hash_is_taken(weights_file):
    assert build("cnn", "file", weights_file, sha256_file(weights_file))


def test_a_file_with_another_hash_is_refused(weights_file):
    with pytest.raises(WeightsInvalid, match=rf"has sha256 .* asks for {'0' * 64}"):
        build("cnn", "file", weights_file, "0" * 64)


def test_a_missing_weights_file_is_not_replaced_by_random_weights(tmp_path):
    with pytest.raises(NotFound, match="does not exist"):
        build("cnn", "file", tmp_path / "absent.weights.h5")


def test_a_member_without_a_file_is_refused_with_the_parameter_to_set():
    with pytest.raises(InvalidParams, match=r'training.weights=\{cnn = "PATH"\}'):
        given_weights("cnn", PARAMS.model_copy(update={"weights": {"vit": "vit.weights.h5"}}))


@pytest.mark.parametrize("kept", [0, 100, 0.5, 0.95])
def test_a_truncated_file_is_refused_as_damaged(weights_file, kept):
    content = weights_file.read_bytes()
    weights_file.write_bytes(content[: int(kept * len(content)) if kept < 1 else kept])
    with pytest.raises(WeightsInvalid, match="is damaged"):
        build("cnn", "file", weights_file)


def test_a_file_of_something_else_is_refused_as_damaged(weights_file):
    weights_file.write_bytes(b"<html>404 Not Found</html>" * 100)
    with pytest.raises(WeightsInvalid, match="is damaged"):
        build("cnn", "file", weights_file)


def test_weights_that_are_not_numbers_are_refused(weights_file):
    with h5py.File(weights_file, "r+") as file:
        kernel = file["layers/conv2d/vars/0"]
        kernel[0, 0, 0, 0] = np.nan
    with pytest.raises(WeightsInvalid, match="not numbers"):
        build("cnn", "file", weights_file)


def test_weights_of_another_network_are_refused(weights_file):
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    other.save_weights(weights_file)
    with pytest.raises(WeightsInvalid, match="does not fit"):
        build("cnn", "file", weights_file)


def test_a_member_remembers_the_file_it_started_from(tmp_path, weights_file):
    digest = sha256_file(weights_file)
    params = PARAMS.model_copy(
        update={
            "initialisation": "file",
            "weights": {"cnn": str(weights_file)},
            "weights_sha256": {"cnn": digest},
            "epochs": 1,
        }
    )
    member = train_member(
        "cnn",
        data=small_data(train=24, validation=12),
        labels=LABELS,
        params=params,
        spec=SPEC,
        folder=tmp_path / "member",
    )
    assert (member.initialisation, member.initial_weights_sha256) == ("file", digest)


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
        weights_sha256=MOBILENET_SHA256,
        dropout=0.0,
        l2=0.0,
    )
    rng = np.random.default_rng(0)
    smooth = np.kron(rng.uniform(-1, 1, (1, 7, 7, 3)), np.ones((1, 32, 32, 1)))
    noise = rng.uniform(-1, 1, (1, 224, 224, 3))
    features = model(np.concatenate([smooth, noise]).astype(np.float32))["features"].numpy()
    assert np.isfinite(features).all()
    assert np.corrcoef(features)[0, 1] < 0.9
