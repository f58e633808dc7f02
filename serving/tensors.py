"""Tensors of the Open Inference Protocol v2, JSON form."""

from collections.abc import Sequence
from math import prod

import numpy as np
import numpy.typing as npt

from serving.answers import Answer
from serving.errors import InvalidRequest
from serving.protocol import InferenceRequest, OutputTensor, RequestedOutput

INPUT_NAME = "images"
_DIMENSIONS = 4


def images_of(request: InferenceRequest, *, max_images: int) -> npt.NDArray[np.float32]:
    """The request's one input as (n, height, width, channels) float32.

    Raises:
        InvalidRequest: another input, datatype or shape, or values outside −1…1.
    """
    if len(request.inputs) != 1 or request.inputs[0].name != INPUT_NAME:
        raise _invalid(f"The one input is `{INPUT_NAME}`.", "inputs")
    tensor = request.inputs[0]
    if tensor.datatype != "FP32":
        raise _invalid(f"The datatype is FP32, not {tensor.datatype[:20]}.", "inputs.datatype")
    shape = tensor.shape
    if len(shape) != _DIMENSIONS or min(shape) < 1 or shape[0] > max_images:
        raise _invalid(
            f"The shape is [n, height, width, channels] with n from 1 to {max_images}.",
            "inputs.shape",
        )
    try:
        values = np.asarray(tensor.data, dtype=np.float32)
    except (ValueError, TypeError, OverflowError) as error:
        raise _invalid(
            "The data are not numbers in rows of equal length.", "inputs.data"
        ) from error
    if values.size != prod(shape):
        raise _invalid(
            f"The data hold {values.size} numbers; the shape needs {prod(shape)}.", "inputs.data"
        )
    if not np.all(np.abs(values) <= 1):  # also refuses NaN
        raise _invalid("The values lie between −1 (black) and 1 (white).", "inputs.data")
    return values.reshape(shape)


def outputs_of(
    answers: Sequence[Answer], wanted: list[RequestedOutput] | None
) -> list[OutputTensor]:
    """The answers as tensors: `probabilities`, and per image `label`, `action`, `request_id`.

    Raises:
        InvalidRequest: an output is wanted that does not exist.
    """
    count = len(answers)
    findings = [answer.finding for answer in answers]
    probabilities = [list(finding.probabilities.values()) for finding in findings]
    flat = [value for row in probabilities for value in row]
    texts: dict[str, list[str]] = {
        "label": [finding.decision.label for finding in findings],
        "action": [finding.decision.action for finding in findings],
        "request_id": [answer.request_id for answer in answers],
    }
    tensors = [
        OutputTensor(
            name="probabilities", shape=[count, len(flat) // count], datatype="FP32", data=flat
        ),
        *(
            OutputTensor(name=name, shape=[count], datatype="BYTES", data=values)
            for name, values in texts.items()
        ),
    ]
    if wanted is None:
        return tensors
    by_name = {tensor.name: tensor for tensor in tensors}
    unknown = [output.name for output in wanted if output.name not in by_name]
    if unknown:
        raise _invalid(f"The outputs are {', '.join(by_name)}.", "outputs")
    return [by_name[output.name] for output in wanted]


def _invalid(message: str, field: str) -> InvalidRequest:
    return InvalidRequest(message, remedy="See GET /v2/models/{name}.", details={"field": field})
