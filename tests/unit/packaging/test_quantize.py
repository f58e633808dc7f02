from collections import Counter

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from ml.contract.errors import InputError
from ml.packaging.parity import compare
from ml.packaging.quantize import choose_calibration_inputs, quantize_member
from ml.params import QuantizationParams, QuantizationSetting
from tests.unit.packaging.small_member import noise, write_small_member

MINMAX = QuantizationSetting(calibration="minmax", activations="asymmetric", float_nodes="none")
PARAMS = QuantizationParams(
    calibration_images=16,
    candidates=[MINMAX],
    float_members=[],
    max_flip_rate=0.02,
    max_critical_loss=0.02,
    min_saving=0.05,
)
LABELS = np.arange(64) % 3


@pytest.fixture
def member(tmp_path):
    return write_small_member(tmp_path / "member.onnx", seed=1, width=8)


def test_convolutions_become_int8_and_the_rest_stays_float(tmp_path, member):
    graph = onnx.load(quantize_member(member, noise(16), tmp_path / "q.onnx", setting=MINMAX)).graph
    types = {constant.name: constant.data_type for constant in graph.initializer}
    operators = Counter(node.op_type for node in graph.node)
    assert types["kernel_quantized"] == TensorProto.INT8
    assert types["head"] == TensorProto.FLOAT
    assert operators["DequantizeLinear"] > 0
    zero_points = [kind for name, kind in types.items() if name.endswith("_zero_point")]
    assert TensorProto.UINT8 in zero_points


def test_weights_have_one_scale_per_channel(tmp_path, member):
    graph = onnx.load(quantize_member(member, noise(16), tmp_path / "q.onnx", setting=MINMAX)).graph
    scales = next(c for c in graph.initializer if c.name == "kernel_scale")
    assert list(scales.dims) == [8]


@pytest.mark.parametrize("activations", ["asymmetric", "symmetric"])
@pytest.mark.parametrize("method", ["minmax", "entropy", "percentile"])
def test_int8_answers_stay_close_to_float_ones(tmp_path, member, method, activations):
    setting = MINMAX.model_copy(update={"calibration": method, "activations": activations})
    quantized = quantize_member(member, noise(16), tmp_path / "q.onnx", setting=setting)
    parity = compare(member, quantized, noise(64, seed=5), labels=LABELS, critical=2)
    assert parity.images == 64
    assert parity.flip_rate <= 0.05
    assert 0 < parity.mean_difference <= parity.max_difference < 0.1


def test_a_graph_is_identical_to_itself(member):
    parity = compare(member, member, noise(8), labels=LABELS[:8], critical=2)
    assert parity.critical_loss == 0
    assert parity.flip_rate == 0
    assert parity.max_difference == 0


def test_only_the_finished_file_is_left(tmp_path, member):
    quantize_member(member, noise(4), tmp_path / "out" / "q.onnx", setting=MINMAX)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["q.onnx"]


def test_no_calibration_images_is_refused(tmp_path, member):
    with pytest.raises(InputError, match="no calibration images"):
        quantize_member(member, noise(0), tmp_path / "q.onnx", setting=MINMAX)


def test_calibration_images_are_taken_from_the_whole_range():
    images = np.arange(100, dtype=np.uint8).reshape(100, 1, 1, 1)
    inputs = choose_calibration_inputs(images, PARAMS)
    assert len(inputs) == 16
    assert np.isclose(inputs[0, 0, 0, 0], -1)
    assert np.isclose(inputs[-1, 0, 0, 0], 99 * 2 / 255 - 1)
