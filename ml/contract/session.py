"""The served model as a function: the only way a bundle is run, offline and online."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from ml.contract.bundle import GOLDEN_FILE, MODEL_FILE, Bundle, open_bundle
from ml.contract.errors import BundleInvalid
from ml.contract.preprocessing import PREPROCESSING_VERSION

Floats = npt.NDArray[np.float32]
GOLDEN_TOLERANCE = 1e-3
_OUTPUTS = ("probabilities", "embedding", "activation_map")


@dataclass(frozen=True, slots=True)
class ModelOutputs:
    """Shapes (n, labels), (n, components), (n, rows, columns, labels)."""

    probabilities: Floats
    embedding: Floats
    activation_map: Floats


class ModelSession:
    """An opened bundle. Thread-safe: ONNX Runtime sessions may run concurrently."""

    def __init__(self, bundle: Bundle, session: ort.InferenceSession) -> None:
        self.bundle = bundle
        self._session = session
        self._input_name = session.get_inputs()[0].name

    @classmethod
    def open(cls, folder: Path, *, threads: int = 1, expected_sha256: str | None = None) -> Self:
        """Verify the bundle, load the graph and replay its golden inputs.

        Args:
            threads: threads inside one inference; 1 serves best with one call per core.

        Raises:
            BundleInvalid: altered, made by other preprocessing, unloadable, or it does not
                reproduce its golden answers on this machine.
        """
        bundle = open_bundle(folder, expected_sha256=expected_sha256)
        if bundle.preprocessing_version != PREPROCESSING_VERSION:
            raise BundleInvalid(
                f"The bundle needs preprocessing {bundle.preprocessing_version}, this code has "
                f"{PREPROCESSING_VERSION}.",
                remedy="Serve it with the release that made it, or retrain.",
            )
        model = cls(bundle, _load_graph(folder / MODEL_FILE, threads))
        model._replay_golden(folder / GOLDEN_FILE)
        return model

    def run(self, batch: Floats) -> ModelOutputs:
        """Run a batch of shape (n, height, width, channels), float32 in −1…1.

        Raises:
            BundleInvalid: the model answers with something that is not a probability.
        """
        outputs = self._session.run(_OUTPUTS, {self._input_name: batch})
        answer = ModelOutputs(*outputs)
        if not np.isfinite(answer.probabilities).all():
            raise BundleInvalid(
                "The model answered with values that are not numbers.",
                remedy="Roll back to the previous version.",
            )
        return answer

    def run_in_batches(self, inputs: Floats, size: int = 16) -> ModelOutputs:
        """As `run`, in pieces of `size`, so that memory stays bounded."""
        starts = range(0, max(len(inputs), 1), size)  # no images are one empty piece
        pieces = [self.run(inputs[start : start + size]) for start in starts]
        return ModelOutputs(
            *(np.concatenate([getattr(piece, name) for piece in pieces]) for name in _OUTPUTS)
        )

    def _replay_golden(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as golden:
            inputs, expected = golden["inputs"], golden["probabilities"]
        difference = float(np.abs(self.run_in_batches(inputs).probabilities - expected).max())
        if not difference <= GOLDEN_TOLERANCE:
            raise BundleInvalid(
                f"The model's answers differ from its golden ones by {difference:.2g} "
                f"(allowed {GOLDEN_TOLERANCE:g}).",
                remedy="Its CPU may compute int8 differently: export it on the serving CPU class.",
            )


def _load_graph(path: Path, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # The arena keeps its peak for ever; without it a hot reload gives memory back.
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = ort.InferenceSession(
            str(path), sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime raises types of its own native module
        raise BundleInvalid(
            f"ONNX Runtime cannot load {path.name}: {error}", remedy="Export it again."
        ) from error
    names = {output.name for output in session.get_outputs()}
    if not set(_OUTPUTS) <= names or len(session.get_inputs()) != 1:
        raise BundleInvalid(
            f"{path.name} has outputs {sorted(names)}, expected {list(_OUTPUTS)}.",
            remedy="Export it again.",
        )
    return session
