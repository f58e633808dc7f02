"""What every peer does with a file: our decoding and preprocessing, the same graph, one thread."""

import os
from pathlib import Path

import onnxruntime as ort

from ml.contract.bundle import Bundle
from ml.contract.decoding import DecodeLimits, decode
from ml.contract.preprocessing import to_grid, to_input

WORKERS = int(os.environ["PEER_WORKERS"])
PORT = int(os.environ["PEER_PORT"])


class Model:
    """The bundle's graph in a session of one thread that does not spin."""

    def __init__(self) -> None:
        folder = Path(os.environ["PEER_BUNDLE"])
        self._bundle = Bundle.model_validate_json((folder / "bundle.json").read_bytes())
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = ort.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name

    def answer(self, data: bytes) -> dict[str, dict[str, float]]:
        """Bytes of one image file → its probabilities by label. Thread-safe."""
        pixels = decode(data, DecodeLimits()).pixels
        batch = to_input(to_grid(pixels, self._bundle.input))[None]
        (probabilities,) = self._session.run(["probabilities"], {self._input: batch})
        values = map(float, probabilities[0])
        return {"probabilities": dict(zip(self._bundle.labels, values, strict=True))}
