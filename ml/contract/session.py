"""The served model as a function: the only way a bundle is run, offline and online."""

from functools import partial
from pathlib import Path
from typing import Self

import numpy as np

from ml.contract.bundle import GOLDEN_FILE, MODEL_FILE, Bundle, open_bundle
from ml.contract.engine import Engine, EngineSetting, Floats, ModelOutputs
from ml.contract.engine_choice import EngineChoice, Rivals, choose_engine
from ml.contract.engine_onnxruntime import OnnxRuntimeEngine
from ml.contract.engine_openvino import OpenVinoEngine
from ml.contract.errors import BundleInvalid
from ml.contract.preprocessing import PREPROCESSING_VERSION

__all__ = ["GOLDEN_TOLERANCE", "Floats", "ModelOutputs", "ModelSession"]

GOLDEN_TOLERANCE = 1e-3


class ModelSession:
    """An opened bundle, run by the engine of `choice`. Thread-safe."""

    def __init__(self, bundle: Bundle, engine: Engine, choice: EngineChoice) -> None:
        self.bundle = bundle
        self.choice = choice
        self._engine = engine

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        engine: EngineSetting = "onnxruntime",
        threads: int = 1,
        streams: int = 1,
        expected_sha256: str | None = None,
    ) -> Self:
        """Verify the bundle, load the graph, replay its golden inputs and choose the engine.

        ONNX Runtime must reproduce the golden answers whichever engine answers in the end, and
        is the one that offline measurements use: its answers repeat.

        Args:
            engine: see `choose_engine`.
            threads: threads inside one inference of ONNX Runtime; 1 serves best with one call per
                core, 0 means all cores.
            streams: calls that OpenVINO runs side by side.

        Raises:
            BundleInvalid: altered, made by other preprocessing, unloadable, or it does not
                reproduce its golden answers on this machine.
            EngineUnusable: the engine asked for is not installed or does not answer alike.
        """
        bundle = open_bundle(folder, expected_sha256=expected_sha256)
        if bundle.preprocessing_version != PREPROCESSING_VERSION:
            raise BundleInvalid(
                f"The bundle needs preprocessing {bundle.preprocessing_version}, this code has "
                f"{PREPROCESSING_VERSION}.",
                remedy="Serve it with the release that made it, or retrain.",
            )
        path = folder / MODEL_FILE
        reference = OnnxRuntimeEngine(path, threads=threads)
        golden = _replay_golden(reference, folder / GOLDEN_FILE)
        rivals: Rivals = {
            "openvino-bf16": partial(OpenVinoEngine, path, "bf16", streams=streams),
            "openvino-f32": partial(OpenVinoEngine, path, "f32", streams=streams),
        }
        return cls(bundle, *choose_engine(engine, reference, rivals, golden, bundle))

    def run(self, batch: Floats) -> ModelOutputs:
        """Run a batch of shape (n, height, width, channels), float32 in −1…1.

        Raises:
            BundleInvalid: the engine fails, or answers with something that is not a probability.
        """
        return _run(self._engine, batch)

    def run_in_batches(self, inputs: Floats, size: int = 16) -> ModelOutputs:
        """As `run`, in pieces of `size`, so that memory stays bounded."""
        return _in_batches(self._engine, inputs, size)


def _run(engine: Engine, batch: Floats) -> ModelOutputs:
    try:
        answer = engine.run(batch)
    except MemoryError:
        raise
    except Exception as error:  # engines raise types of their own native modules
        raise BundleInvalid(
            f"{engine.name} failed on an image: {type(error).__name__}.",
            remedy="Roll back to the previous version, or pin VIGIE_ENGINE=onnxruntime.",
        ) from error
    if not np.isfinite(answer.probabilities).all():
        raise BundleInvalid(
            "The model answered with values that are not numbers.",
            remedy="Roll back to the previous version.",
        )
    return answer


def _in_batches(engine: Engine, inputs: Floats, size: int = 16) -> ModelOutputs:
    starts = range(0, max(len(inputs), 1), size)  # no images are one empty piece
    return ModelOutputs.joined([_run(engine, inputs[start : start + size]) for start in starts])


def _replay_golden(engine: Engine, path: Path) -> Floats:
    """Check the golden answers and return their inputs."""
    with np.load(path, allow_pickle=False) as golden:
        inputs, expected = golden["inputs"], golden["probabilities"]
    difference = float(np.abs(_in_batches(engine, inputs).probabilities - expected).max())
    if not difference <= GOLDEN_TOLERANCE:
        raise BundleInvalid(
            f"The model's answers differ from its golden ones by {difference:.2g} "
            f"(allowed {GOLDEN_TOLERANCE:g}).",
            remedy="Its CPU may compute int8 differently: export it on the serving CPU class.",
        )
    return inputs
