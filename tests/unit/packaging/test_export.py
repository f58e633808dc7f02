import numpy as np
import pytest

from ml.contract.bundle import InputSpec
from ml.contract.errors import BundleInvalid
from ml.contract.preprocessing import to_input
from ml.packaging.export import export_in_fresh_process
from ml.packaging.graph import MEMBER_OUTPUTS, open_graph, run_graph
from ml.packaging.member import package_member
from ml.packaging.quantize import choose_calibration_inputs
from ml.packaging.search import Judged
from ml.params import QuantizationParams, QuantizationSetting
from ml.training.fit import train_member
from ml.training.member_files import read_validation
from tests.unit.training.examples import LABELS, PARAMS, small_data

MINMAX = QuantizationSetting(calibration="minmax", activations="asymmetric", float_nodes="none")
QUANTIZATION = QuantizationParams(
    calibration_images=16,
    candidates=[MINMAX, MINMAX.model_copy(update={"activations": "symmetric"})],
    float_members=[],
    max_flip_rate=1.0,
    max_critical_loss=1.0,
    min_saving=-1000.0,
)


def train(folder, name: str, side: int, **changes):
    data = small_data(train=32, validation=12, side=side)
    train_member(
        name,
        data=data,
        labels=LABELS,
        params=PARAMS.model_copy(update={"epochs": 1, **changes}),
        spec=InputSpec(height=side, width=side, channels=1),
        folder=folder,
    )
    return data


def package(folder, data, params=QUANTIZATION):
    return package_member(
        folder,
        calibration_inputs=choose_calibration_inputs(data.train_images, params),
        judged=Judged(to_input(data.validation_images), data.validation_labels, critical=2),
        params=params,
    )


def test_a_member_is_exported_and_quantized(tmp_path):
    data = train(tmp_path / "cnn", "cnn", 32)
    export = package(tmp_path / "cnn", data)
    inputs = to_input(data.validation_images)
    answer = run_graph(open_graph(tmp_path / "cnn" / "member.fp32.onnx"), inputs, MEMBER_OUTPUTS)
    kept = read_validation(tmp_path / "cnn")
    np.testing.assert_allclose(answer["logits"], kept.logits, atol=1e-4)
    np.testing.assert_allclose(answer["features"], kept.features, atol=1e-4)
    assert export.parity is not None
    assert (tmp_path / "cnn" / "member.int8.onnx").stat().st_size < export.float_bytes
    assert export.precision == "int8"
    assert export.setting in {row.setting for row in export.search}
    assert len(export.search) == 2
    assert "**chosen**" in (tmp_path / "cnn" / "quantization.md").read_text()


def test_a_member_stays_float_where_int8_saves_too_little(tmp_path):
    data = train(tmp_path / "cnn", "cnn", 32)
    params = QUANTIZATION.model_copy(update={"min_saving": 0.9999})
    export = package(tmp_path / "cnn", data, params)
    assert export.precision == "fp32"
    assert export.path == "member.fp32.onnx"
    assert "of the float graph's CPU time" in export.reason
    assert not (tmp_path / "cnn" / "member.int8.onnx").exists()


def test_a_member_kept_in_float_is_not_quantized(tmp_path):
    data = train(tmp_path / "cnn", "cnn", 32)
    params = QUANTIZATION.model_copy(update={"float_members": ["cnn"]})
    export = package(tmp_path / "cnn", data, params)
    assert export.precision == "fp32"
    assert export.parity is None
    assert export.flip_rate == 0
    assert not (tmp_path / "cnn" / "member.int8.onnx").exists()


def test_an_unfinished_member_fails_with_its_reason(tmp_path):
    with pytest.raises(BundleInvalid, match="holds no finished member"):
        export_in_fresh_process(tmp_path / "absent", tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()
