"""One member from its trained folder to the file that goes into the served graph."""

import logging
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ml.packaging.export import export_in_fresh_process
from ml.packaging.results import Candidate, MemberExport
from ml.packaging.search import SEARCH_FILE, Judged, chosen, search, search_table
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
    judged: Judged,
    params: QuantizationParams,
) -> MemberExport:
    """Export, search an int8 setting and choose the precision; `export.json` is written last.

    A member in `params.float_members` stays float; so does one for which no candidate is good
    enough. The search is told in `quantization.md` beside it.

    Args:
        calibration_inputs: training images as the model takes them.
        judged: validation images.

    Raises:
        NotFound: the member has not been trained to its end.
        BundleInvalid: the exported graph does not reproduce the Keras model.
    """
    started = time.monotonic()
    member = read_member(member_folder)
    float_onnx = float_graph(member_folder)
    tried: list[Candidate] = []
    if member.architecture in params.float_members:
        reason = f"{member.architecture} is kept in fp32 by quantization.float_members"
    else:
        tried = search(
            float_onnx,
            member_folder / INT8_FILE,
            calibration_inputs=calibration_inputs,
            judged=judged,
            params=params,
        )
        reason = _reason(tried)
    best = chosen(tried)
    served = member_folder / INT8_FILE if best else float_onnx
    if tried:
        (member_folder / SEARCH_FILE).write_text(search_table(member.member, tried, reason))
    export = MemberExport(
        member=member.member,
        architecture=member.architecture,
        path=served.name,
        precision="int8" if best else "fp32",
        reason=reason,
        setting=best.setting if best else "",
        parity=best.parity if best else None,
        search=tried,
        float_bytes=float_onnx.stat().st_size,
        bytes=served.stat().st_size,
        seconds=round(time.monotonic() - started, 2),
    )
    partial = member_folder / f".{EXPORT_FILE}.part"
    partial.write_text(export.model_dump_json(indent=2) + "\n")
    partial.replace(member_folder / EXPORT_FILE)
    logger.info("%s goes out in %s: %s.", member.member, export.precision, reason)
    return export


def _reason(tried: Sequence[Candidate]) -> str:
    best = chosen(tried)
    if best:
        return (
            f"int8 ({best.setting}) takes {best.cost_ratio:.0%} of the float graph's CPU time and "
            f"changes {best.parity.flip_rate:.1%} of {best.parity.images} validation labels"
        )
    nearest = min(tried, key=lambda row: (len(row.failing), row.cost_ratio))
    return f"no int8 setting is good enough: {nearest.setting} {', '.join(nearest.failing)}"


def float_graph(member_folder: Path) -> Path:
    """The member's float ONNX, exported on first use: training anew empties the folder.

    Raises:
        BundleInvalid: the exported graph does not reproduce the Keras model.
    """
    path = member_folder / FLOAT_FILE
    return path if path.is_file() else export_in_fresh_process(member_folder, path)
