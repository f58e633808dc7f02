"""What runs a bundle's graph: one interface, an engine a file."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Literal, Protocol, Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
EngineSetting = Literal["auto", "onnxruntime", "openvino"]
OUTPUTS = ("probabilities", "embedding", "activation_map")
STOPPED_EARLY = "stopped_early"
"""A further output, of graphs with an adaptive vote."""
DISAGREEMENT = "disagreement"
"""A further output, of graphs made since there is a review queue."""


@dataclass(frozen=True, slots=True)
class ModelOutputs:
    """Shapes (n, labels), (n, components), (n, rows, columns, labels), (n,), (n,).

    `stopped_early` is 1 where one member answered for all, 0 elsewhere. `disagreement` is how far
    the members are from their vote, 0…1 (`ml.packaging.vote`); NaN where the graph does not tell.
    """

    probabilities: Floats
    embedding: Floats
    activation_map: Floats
    stopped_early: Floats
    disagreement: Floats

    @classmethod
    def of(cls, named: Mapping[str, Floats]) -> Self:
        """From a graph's outputs by name; without `stopped_early`, nothing was stopped."""
        probabilities, embedding, activation_map = (named[name] for name in OUTPUTS)
        never = np.zeros(len(probabilities), np.float32)
        unknown = np.full(len(probabilities), np.nan, np.float32)
        return cls(
            probabilities,
            embedding,
            activation_map,
            named.get(STOPPED_EARLY, never),
            named.get(DISAGREEMENT, unknown),
        )

    @classmethod
    def joined(cls, pieces: Sequence[Self]) -> Self:
        """One after the other."""
        return cls(
            *(
                np.concatenate([getattr(piece, field.name) for piece in pieces])
                for field in fields(cls)
            )
        )


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
