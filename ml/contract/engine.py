"""What runs a bundle's graph: one interface, an engine a file."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
EngineSetting = Literal["auto", "onnxruntime", "openvino"]
OUTPUTS = ("probabilities", "embedding", "activation_map")


@dataclass(frozen=True, slots=True)
class ModelOutputs:
    """Shapes (n, labels), (n, components), (n, rows, columns, labels)."""

    probabilities: Floats
    embedding: Floats
    activation_map: Floats


class Engine(Protocol):
    """A loaded graph. Calls may come from several threads at once.

    `name` says engine and precision, `version` the library's.
    """

    name: str
    version: str

    def run(self, batch: Floats) -> ModelOutputs:
        """Run a batch of shape (n, height, width, channels), float32 in −1…1."""

    def run_each(self, batch: Floats) -> Iterator[ModelOutputs]:
        """As `run`, once on every copy of the graph that `run` may use. Not beside other calls."""
