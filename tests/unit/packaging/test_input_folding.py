import keras
import numpy as np
import onnx
import pytest
from keras import layers, ops

from ml.packaging.convert import convert
from ml.packaging.graph import INPUT, open_graph
from ml.packaging.input_folding import INPUT_CONVOLUTION, fold_input
from ml.training.input_adaptation import as_caffe, as_efficientnet, as_is, as_standardised

SIDE = 12


def network(adapt, *, channels: int = 1) -> keras.Model:
    """Grey or colour images, adapted, into one convolution."""
    images = keras.Input((SIDE, SIDE, channels))
    rgb = images if channels == 3 else layers.Concatenate()([images] * 3)
    maps = layers.Conv2D(4, 3, padding="same")(adapt(rgb))
    return keras.Model(images, [layers.GlobalAveragePooling2D()(maps)])


def answer(graph: onnx.ModelProto, folder, images: np.ndarray) -> np.ndarray:
    onnx.checker.check_model(graph)
    onnx.save_model(graph, folder / "graph.onnx")
    return open_graph(folder / "graph.onnx").run(None, {INPUT: images})[0]


def noise(channels: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (3, SIDE, SIDE, channels)).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("adapt", [as_caffe, as_efficientnet, as_standardised])
def test_scaling_and_stacking_become_one_convolution_of_the_same_answers(adapt, channels, tmp_path):
    model = network(adapt, channels=channels)
    graph = fold_input(convert(model))
    operators = [node.op_type for node in graph.graph.node[:3]]
    assert operators == ["Transpose", "Conv", "Conv"]
    assert graph.graph.node[1].name == INPUT_CONVOLUTION
    expected = ops.convert_to_numpy(model(noise(channels)))
    np.testing.assert_allclose(answer(graph, tmp_path, noise(channels)), expected, atol=1e-3)


def test_the_border_of_the_image_is_not_folded_into_the_first_layer(tmp_path):
    """What pads the adapted image is zero, which is no grey level."""
    model = network(as_caffe)
    white = np.ones((1, SIDE, SIDE, 1), np.float32)
    folded = answer(fold_input(convert(model)), tmp_path, white)
    np.testing.assert_allclose(folded, ops.convert_to_numpy(model(white)), rtol=1e-4)


def test_images_that_need_no_step_stay_as_they_come():
    graph = convert(network(as_is, channels=3))
    before = graph.SerializeToString()
    assert fold_input(graph).SerializeToString() == before


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(lambda x: ops.square(x), id="not linear"),
        pytest.param(lambda x: x * np.linspace(0, 1, SIDE, dtype=np.float32)[:, None], id="place"),
    ],
)
def test_what_is_no_affine_map_of_single_pixels_is_left_alone(step, tmp_path):
    model = network(step)
    graph = fold_input(convert(model))
    assert INPUT_CONVOLUTION not in {node.name for node in graph.graph.node}
    expected = ops.convert_to_numpy(model(noise(1)))
    np.testing.assert_allclose(answer(graph, tmp_path, noise(1)), expected, atol=1e-4)
