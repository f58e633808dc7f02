"""OpenVINO on the same file, where the extra `openvino` is installed."""

import importlib
import queue
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np

from ml.contract.engine import Floats, ModelOutputs
from ml.contract.errors import EngineUnusable

Precision = Literal["bf16", "f32"]
_DEVICE = "CPU"
_REMEDY = "Without VIGIE_ENGINE=openvino, ONNX Runtime answers."


class OpenVinoEngine:
    """A graph compiled for one image a call, with a copy for each of `streams` calls at a time.

    A call runs in its caller's thread; more calls than copies wait. Copies, because OpenVINO's own
    streams, compiled side by side, gave wrong answers on int8 graphs.
    """

    def __init__(self, path: Path, precision: Precision, *, streams: int = 1) -> None:
        """Compile a graph.

        Args:
            precision: of whatever the graph itself does not hold in int8.
            streams: images under way at the same time, one thread each.

        Raises:
            EngineUnusable: OpenVINO is not installed, this CPU does not compute in that precision,
                or the graph cannot be compiled.
        """
        openvino = _import()
        self.name = f"openvino-{precision}"
        self.version = version("openvino")
        # A core of its own: what a model has built goes away with it.
        core = openvino.Core()
        if precision == "bf16" and "BF16" not in core.get_property(
            _DEVICE, "OPTIMIZATION_CAPABILITIES"
        ):
            raise EngineUnusable("This CPU does not compute in bf16.", remedy=_REMEDY)
        try:
            copies = _compile(core, path, precision, streams)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise EngineUnusable(
                f"OpenVINO cannot compile {path.name}: {reason}", remedy=_REMEDY
            ) from error
        # The copy used last has the warmest caches.
        self._idle: queue.LifoQueue[Any] = queue.LifoQueue()
        for copy in copies:
            self._idle.put(copy.create_infer_request())

    def run(self, batch: Floats) -> ModelOutputs:
        """Run n > 0 images of shape (n, height, width, channels), float32 in −1…1, in turn."""
        request = self._idle.get()
        try:
            return _infer(request, batch)
        finally:
            self._idle.put(request)

    def run_each(self, batch: Floats) -> Iterator[ModelOutputs]:
        """As `run`, once on every copy."""
        requests = [self._idle.get() for _ in range(self._idle.qsize())]
        for request in requests:
            self._idle.put(request)
            yield _infer(request, batch)


def _import() -> ModuleType:
    # OpenVINO reports its import to Google Analytics, from its converter, which nobody needs here:
    # without the converter nothing is sent, written to HOME or loaded for it.
    sys.modules.setdefault("openvino.tools.ovc", None)  # type: ignore[arg-type]
    try:
        return importlib.import_module("openvino")
    except ImportError as error:
        raise EngineUnusable(
            "OpenVINO is not installed.", remedy=f"Install the extra `openvino`. {_REMEDY}"
        ) from error


def _compile(core: Any, path: Path, precision: Precision, streams: int) -> list[Any]:
    options = {
        "INFERENCE_PRECISION_HINT": precision,
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": 1,
        # Two servers on one machine would pin themselves to the same cores.
        "ENABLE_CPU_PINNING": False,
    }
    model = core.read_model(path)
    shape = model.input(0).partial_shape
    shape[0] = 1  # shapes that are known made an image a fifth cheaper
    model.reshape(shape)
    first = core.compile_model(model, _DEVICE, options)
    if streams == 1:
        return [first]
    compiled = first.export_model()  # reading it back takes a quarter of compiling anew
    copies = [first]
    while len(copies) < streams:
        compiled.seek(0)
        copies.append(core.import_model(compiled, _DEVICE, options))
    return copies


def _infer(request: Any, batch: Floats) -> ModelOutputs:
    return ModelOutputs.joined(
        [
            ModelOutputs.of(request.infer({0: image[np.newaxis]}, share_inputs=True))
            for image in batch
        ]
    )
