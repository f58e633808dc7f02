import numpy as np
import pytest

from ml.contract.bundle import InputSpec
from ml.contract.errors import BundleInvalid
from ml.contract.preprocessing import to_input
from ml.packaging.export import export_in_fresh_process
from ml.packaging.graph import MEMBER_OUTPUTS, open_graph, run_graph
from ml.packaging.member import package_member
from ml.packaging.quantize import choose_calibration_inputs
from ml.params import QuantizationParams
from ml.training.fit import train_member
from ml.training.member_files import read_validation
from tests.unit.training.examples import LABELS, PARAMS, small_data

QUANTIZATION = QuantizationParams(
    calibration_images=16, calibration_method="minmax", float_members=[], max_flip_rate=0.1
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
        validation_inputs=to_input(data.validation_images),
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
    assert export.precision == ("int8" if export.parity.flip_rate <= 0.1 else "fp32")


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
