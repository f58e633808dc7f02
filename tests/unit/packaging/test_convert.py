import keras
import numpy as np
import onnx
from keras import layers

from ml.packaging.convert import convert
from ml.packaging.graph import INPUT, OPSET, open_graph


def hard_swish_network() -> keras.Model:
    """Convolutions with the activation of MobileNetV3, which adds a scalar."""
    images = keras.Input((8, 8, 3))
    x = images
    for filters in (4, 5):
        x = layers.Conv2D(filters, 3, padding="same")(x)
        x = x * layers.ReLU(6.0)(x + 3.0) * (1 / 6)
    return keras.Model(images, [x, layers.GlobalAveragePooling2D()(x)])


def test_a_converted_network_answers_the_same_in_the_order_of_its_outputs(tmp_path):
    network = hard_swish_network()
    graph = convert(network)
    onnx.save_model(graph, tmp_path / "graph.onnx")
    images = np.random.default_rng(0).uniform(-1, 1, (3, 8, 8, 3)).astype(np.float32)
    answers = open_graph(tmp_path / "graph.onnx").run(None, {INPUT: images})
    for answer, expected in zip(answers, network(images), strict=True):
        np.testing.assert_allclose(answer, expected, atol=1e-5)
    assert [opset.version for opset in graph.opset_import if opset.domain == ""] == [OPSET]


def test_no_transposition_is_left_between_convolutions():
    operators = [node.op_type for node in convert(hard_swish_network()).graph.node]
    assert operators.count("Conv") == 2
    # Images come and maps go with channels last.
    assert operators.count("Transpose") <= 2
