import numpy as np
import pytest

from ml.contract.bundle import InputSpec
from ml.contract.errors import InvalidParams
from ml.training.architectures import (
    ARCHITECTURES,
    assemble,
    build_backbone,
    find_architecture,
    parse_member,
)


@pytest.mark.parametrize("channels", [1, 3])
def test_outputs_have_their_shapes_and_the_map_averages_to_the_logits(channels):
    spec = InputSpec(height=64, width=64, channels=channels)
    architecture = ARCHITECTURES["mobilenetv2"]
    backbone = build_backbone(architecture, spec)
    model = assemble(architecture, backbone, spec, 3, dropout=0.2, l2=0.0)
    images = np.random.default_rng(0).uniform(-1, 1, (2, 64, 64, channels)).astype(np.float32)
    outputs = model(images, training=False)
    assert outputs["logits"].shape == (2, 3)
    assert outputs["features"].shape == (2, 1280)
    assert outputs["activation_map"].shape == (2, 2, 2, 3)
    np.testing.assert_allclose(
        outputs["activation_map"].numpy().mean(axis=(1, 2)), outputs["logits"], atol=1e-4
    )


def test_caffe_input_is_bgr_minus_the_mean():
    adapted = find_architecture("resnet50").adapt(np.array([[[[1.0, 0.0, -1.0]]]], np.float32))
    expected = [0.0 - 103.939, 127.5 - 116.779, 255.0 - 123.68]
    np.testing.assert_allclose(np.asarray(adapted).ravel(), expected, rtol=1e-5)


def test_efficientnet_input_folds_in_the_division_that_keras_adds_for_imagenet():
    rgb = np.random.default_rng(0).uniform(-1, 1, (1, 4, 4, 3)).astype(np.float32)
    adapted = np.asarray(find_architecture("efficientnetb0").adapt(rgb))
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    # Keras with ImageNet weights: (x/255 − mean) / √std from its weights, then once more / √std.
    through_graph = (adapted / 255 - mean) / np.sqrt(std)
    expected = ((rgb + 1) / 2 - mean) / std
    np.testing.assert_allclose(through_graph, expected, atol=1e-4)


def test_convnext_input_is_what_keras_normalises_to():
    rgb = np.random.default_rng(0).uniform(-1, 1, (1, 4, 4, 3)).astype(np.float32)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    adapted = find_architecture("convnexttiny").adapt(rgb)
    np.testing.assert_allclose(adapted, ((rgb + 1) / 2 - mean) / std, atol=1e-5)


def test_an_unknown_architecture_is_refused_with_the_known_ones():
    with pytest.raises(InvalidParams, match="resnet50, inceptionv3, efficientnetb0"):
        find_architecture("vgg")


def test_a_grid_too_small_for_the_network_is_refused():
    spec = InputSpec(height=64, width=64, channels=1)
    with pytest.raises(InvalidParams, match="at least 75 pixels"):
        build_backbone(ARCHITECTURES["inceptionv3"], spec)


def test_a_replica_is_its_architecture_by_another_seed():
    assert parse_member("mobilenetv2") == (ARCHITECTURES["mobilenetv2"], 1)
    assert parse_member("mobilenetv2-3") == (ARCHITECTURES["mobilenetv2"], 3)


@pytest.mark.parametrize("name", ["vgg-2", "cnn-1", "cnn-0", "cnn-", "cnn-two", "-2"])
def test_a_name_that_is_no_replica_is_refused(name):
    with pytest.raises(InvalidParams, match="no architecture"):
        parse_member(name)
