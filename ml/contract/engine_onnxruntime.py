"""ONNX Runtime: always there, and the reference that every other engine must reproduce."""

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import onnxruntime as ort

from ml.contract.engine import OUTPUTS, Floats, ModelOutputs
from ml.contract.errors import BundleInvalid


class OnnxRuntimeEngine:
    """Calls run side by side, each in its caller's thread when `threads` is 1."""

    name = "onnxruntime"

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        """Load a graph.

        Args:
            threads: threads inside one inference; 0 means one per core.

        Raises:
            BundleInvalid: it cannot be loaded, or lacks an output.
        """
        self.version = version("onnxruntime")
        self._session = _load(path, threads)
        self._input = self._session.get_inputs()[0].name
        self._outputs = [output.name for output in self._session.get_outputs()]

    def run(self, batch: Floats) -> ModelOutputs:
        """Run a batch of shape (n, height, width, channels), float32 in −1…1."""
        answer = self._session.run(self._outputs, {self._input: batch})
        return ModelOutputs.of(dict(zip(self._outputs, answer, strict=True)))

    def run_each(self, batch: Floats) -> Iterator[ModelOutputs]:
        """The answers of the one session."""
        yield self.run(batch)


def _load(path: Path, threads: int) -> ort.InferenceSession:
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
    if not set(OUTPUTS) <= names or len(session.get_inputs()) != 1:
        raise BundleInvalid(
            f"{path.name} has outputs {sorted(names)}, expected {list(OUTPUTS)}.",
            remedy="Export it again.",
        )
    return session
