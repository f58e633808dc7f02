"""Float ONNX → static int8 ONNX (QDQ)."""

import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from ml.contract.errors import InputError
from ml.contract.preprocessing import to_input
from ml.packaging.cpu import saturates_int8
from ml.packaging.float_nodes import float_nodes
from ml.packaging.graph import INPUT
from ml.packaging.input_folding import INPUT_CONVOLUTION
from ml.params import QuantizationParams, QuantizationSetting
from ml.training.data import Images

logger = logging.getLogger(__name__)

_METHODS = {
    "minmax": CalibrationMethod.MinMax,
    "entropy": CalibrationMethod.Entropy,
    "percentile": CalibrationMethod.Percentile,
}
# Convolutions are over 99 % of the work, in the Vision Transformer six sevenths. AveragePool has a
# slow int8 kernel, and an error in the head's few products would go straight into the answer.
_QUANTIZED_OPERATORS = ["Conv"]
_BATCH = 8


class _Batches(CalibrationDataReader):
    def __init__(self, inputs: npt.NDArray[np.float32]) -> None:
        self._all = [inputs[start : start + _BATCH] for start in range(0, len(inputs), _BATCH)]
        self._batches: Iterator[npt.NDArray[np.float32]] = iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def set_range(self, start_index: int, end_index: int) -> None:
        self._batches = iter(self._all[start_index:end_index])

    def get_next(self) -> dict[str, npt.NDArray[np.float32]] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}


def choose_calibration_inputs(
    images: Images, params: QuantizationParams
) -> npt.NDArray[np.float32]:
    """Take images evenly from uint8 (n, height, width, channels), as the model takes them."""
    count = min(params.calibration_images, len(images))
    return to_input(images[np.linspace(0, len(images) - 1, count).round().astype(np.int64)])


def quantize_member(
    float_onnx: Path,
    calibration_inputs: npt.NDArray[np.float32],
    out: Path,
    *,
    setting: QuantizationSetting,
) -> Path:
    """Quantize a member's convolutions: activations uint8, weights int8 per channel.

    Weights are kept to 7 bits on x86 CPUs without VNNI, where 8 bits saturate.

    Args:
        calibration_inputs: (n, height, width, channels) as the model takes them; taken from
            training images, never from those on which parity is judged.

    Raises:
        InputError: there is no calibration image.
    """
    if len(calibration_inputs) == 0:
        raise InputError("There are no calibration images.", remedy="Give training images.")
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}.{os.getpid()}.part")
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".quantize-") as folder:
        prepared = Path(folder) / "prepared.onnx"
        # Symbolic shapes are not needed for networks whose only free dimension is the batch.
        quant_pre_process(float_onnx, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            partial,
            _Batches(calibration_inputs),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=_QUANTIZED_OPERATORS,
            per_channel=True,
            reduce_range=saturates_int8(),
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=_METHODS[setting.calibration],
            nodes_to_exclude=[
                INPUT_CONVOLUTION,
                *float_nodes(onnx.load(prepared), setting.float_nodes),
            ],
            extra_options={
                "ActivationSymmetric": setting.activations == "symmetric",
                # Histograms are fed piece by piece: in one go ONNX Runtime would keep all
                # activations of all images, gigabytes at 224 px.
                "CalibStridedMinMax": 1,
            },
        )
    partial.replace(out)
    logger.info("Quantized %s with %d images.", float_onnx.name, len(calibration_inputs))
    return out
