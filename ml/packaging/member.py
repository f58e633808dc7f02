"""One member from its trained folder to the file that goes into the served graph."""

import logging
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ml.packaging.export import export_in_fresh_process
from ml.packaging.parity import compare
from ml.packaging.quantize import quantize_member
from ml.packaging.results import MemberExport, Parity
from ml.params import QuantizationParams
from ml.training.member_files import read_member

logger = logging.getLogger(__name__)

FLOAT_FILE = "member.fp32.onnx"
INT8_FILE = "member.int8.onnx"
EXPORT_FILE = "export.json"


def package_member(
    member_folder: Path,
    *,
    calibration_inputs: npt.NDArray[np.float32],
    validation_inputs: npt.NDArray[np.float32],
    params: QuantizationParams,
) -> MemberExport:
    """Export, quantize, compare and choose the precision; `export.json` is written last.

    A member in `params.float_members` stays float. Another one is served in int8 unless more than
    `params.max_flip_rate` of the validation images change their label.

    Args:
        calibration_inputs: training images as the model takes them.
        validation_inputs: validation images as the model takes them.

    Raises:
        NotFound: the member has not been trained to its end.
        BundleInvalid: the exported graph does not reproduce the Keras model.
    """
    started = time.monotonic()
    member = read_member(member_folder)
    float_onnx = float_graph(member_folder)
    parity: Parity | None = None
    chosen = float_onnx
    if member.architecture in params.float_members:
        reason = f"{member.architecture} is kept in fp32 by quantization.float_members"
    else:
        int8_onnx = member_folder / INT8_FILE
        quantize_member(float_onnx, calibration_inputs, int8_onnx, params=params)
        parity = compare(float_onnx, int8_onnx, validation_inputs)
        keeps = parity.flip_rate <= params.max_flip_rate
        chosen = int8_onnx if keeps else float_onnx
        reason = (
            f"int8 changes {parity.flip_rate:.1%} of {parity.images} validation labels, "
            f"{params.max_flip_rate:.1%} allowed"
        )
    export = MemberExport(
        member=member.member,
        architecture=member.architecture,
        path=chosen.name,
        precision="fp32" if chosen == float_onnx else "int8",
        reason=reason,
        parity=parity,
        float_bytes=float_onnx.stat().st_size,
        bytes=chosen.stat().st_size,
        seconds=round(time.monotonic() - started, 2),
    )
    partial = member_folder / f".{EXPORT_FILE}.part"
    partial.write_text(export.model_dump_json(indent=2) + "\n")
    partial.replace(member_folder / EXPORT_FILE)
    logger.info("%s goes out in %s: %s.", member.member, export.precision, reason)
    return export


def float_graph(member_folder: Path) -> Path:
    """The member's float ONNX, exported on first use: training anew empties the folder.

    Raises:
        BundleInvalid: the exported graph does not reproduce the Keras model.
    """
    path = member_folder / FLOAT_FILE
    return path if path.is_file() else export_in_fresh_process(member_folder, path)
