"""What the Open Inference Protocol v2 takes and gives, in its JSON form."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

_INPUT = {"name": "images", "datatype": "FP32", "shape": [-1, 224, 224, 1]}
_OUTPUTS = [
    {"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]},
    {"name": "label", "datatype": "BYTES", "shape": [-1]},
]


class _Given(BaseModel):
    # A misspelt field would otherwise be ignored in silence.
    model_config = ConfigDict(extra="forbid")


class InputTensor(_Given):
    """`data` is flat or nested, in row-major order."""

    name: str
    shape: list[int] = Field(min_length=1, max_length=8)
    datatype: str
    data: list[Any]
    parameters: dict[str, Any] | None = None


class RequestedOutput(_Given):
    """An output that the client wants; by default it gets all."""

    name: str
    parameters: dict[str, Any] | None = None


class InferenceRequest(_Given):
    """The protocol's inference request."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "study-17",
                    "inputs": [
                        {
                            "name": "images",
                            "datatype": "FP32",
                            # As many numbers as a model of 2 × 2 pixels would take.
                            "shape": [1, 2, 2, 1],
                            "data": [-1.0, 0.25, 0.5, 1.0],
                        }
                    ],
                    "outputs": [{"name": "probabilities"}],
                }
            ]
        }
    )

    id: str | None = Field(None, max_length=200)
    inputs: list[InputTensor]
    outputs: list[RequestedOutput] | None = None
    parameters: dict[str, Any] | None = None


class OutputTensor(BaseModel):
    """Flat `data` in row-major order."""

    name: str
    shape: list[int]
    datatype: Literal["FP32", "BYTES"]
    data: list[float] | list[str]


class InferenceResponse(BaseModel):
    """The protocol's inference response."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model_name": "vigie",
                    "model_version": "7",
                    "id": "study-17",
                    "outputs": [
                        {
                            "name": "probabilities",
                            "datatype": "FP32",
                            "shape": [1, 3],
                            "data": [0.21, 0.66, 0.13],
                        }
                    ],
                }
            ]
        },
    )

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[OutputTensor]


class ServerMetadata(BaseModel):
    """Name and version of the server."""

    name: str = Field(examples=["vigie"])
    version: str = Field(examples=["0.1.0"])
    extensions: list[str] = Field(examples=[[]])


class ServerLive(BaseModel):
    """The process answers."""

    live: bool = Field(examples=[True])


class ServerReady(BaseModel):
    """Whether images can be answered and logged."""

    ready: bool = Field(examples=[True])


class ModelReady(BaseModel):
    """Whether this model answers."""

    name: str = Field(examples=["vigie"])
    ready: bool = Field(examples=[True])


class TensorMetadata(BaseModel):
    """An input or output; −1 in `shape` is the number of images."""

    name: str = Field(examples=["images"])
    datatype: Literal["FP32", "BYTES"]
    shape: list[int] = Field(examples=[[-1, 224, 224, 1]])


class ModelMetadata(BaseModel):
    """Inputs and outputs of a model."""

    name: str = Field(examples=["vigie"])
    versions: list[str] = Field(examples=[["7"]])
    platform: str = Field(examples=["onnxruntime_onnx"])
    inputs: list[TensorMetadata] = Field(examples=[[_INPUT]])
    outputs: list[TensorMetadata] = Field(examples=[_OUTPUTS])
