"""One image through one model: a pure function of bytes (or a tensor) and the model."""

import io
import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from ml.contract.decision import Decision, decide
from ml.contract.decoding import DecodeLimits, MediaType, Pixels, decode, image_id
from ml.contract.preprocessing import to_grid, to_input
from ml.contract.quality import ImageStatistics, measure
from ml.contract.session import ModelSession
from serving.heat_map import heat_map_uri
from serving.preview import needs_preview, preview_uri

_WARM_UP_SIDE = 256
_WARM_UP_ROUNDS = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """All that is known of one image. `seconds` is wall time by stage.

    `media_type` is None for a tensor; `stopped_early` where one member answered for all;
    `disagreement` of the members is None where the model does not tell.
    """

    image_id: str
    media_type: MediaType | None
    statistics: ImageStatistics
    decision: Decision
    probabilities: dict[str, float]
    embedding: list[float]
    stopped_early: bool
    disagreement: float | None
    heat_map: str | None
    preview: str | None
    seconds: dict[str, float]


class _Stopwatch:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def stage(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = now - self._last
        self._last = now


def examine_file(
    data: bytes, session: ModelSession, limits: DecodeLimits, *, explain: bool
) -> Finding:
    """Examine an image file.

    Raises:
        InputError: the bytes are not an image that can be read.
        BundleInvalid: the model answered with something that is not a probability.
    """
    watch = _Stopwatch()
    decoded = decode(data, limits)
    watch.stage("decode")
    grid = to_grid(decoded.pixels, session.bundle.input)
    statistics = measure(decoded.pixels)
    watch.stage("preprocess")
    return _infer(
        to_input(grid), decoded.pixels, statistics, session, watch, decoded.media_type, explain
    )


def warm_up(session: ModelSession) -> None:
    """Pay for everything that only a first image pays for: codecs, readers, memory pools."""
    import ml.contract.dicom.image  # noqa: F401  # else the first DICOM file would wait for it

    noise = np.random.default_rng(0).integers(0, 256, (_WARM_UP_SIDE, _WARM_UP_SIDE), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "PNG")
    for _ in range(_WARM_UP_ROUNDS):
        examine_file(file.getvalue(), session, DecodeLimits(), explain=True)


def examine_tensor(tensor: npt.NDArray[np.float32], session: ModelSession) -> Finding:
    """Examine one image that is the model's input already: (height, width, channels), −1…1.

    Its statistics are measured on the tensor as 8-bit pixels.
    """
    watch = _Stopwatch()
    pixels = np.round((tensor + 1) * 127.5).astype(np.uint8)
    statistics = measure(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    watch.stage("preprocess")
    return _infer(tensor, pixels, statistics, session, watch, None, explain=False)


def _infer(
    tensor: npt.NDArray[np.float32],
    pixels: Pixels,
    statistics: ImageStatistics,
    session: ModelSession,
    watch: _Stopwatch,
    media_type: MediaType | None,
    explain: bool,
) -> Finding:
    outputs = session.run(tensor[np.newaxis])
    probabilities, embedding = outputs.probabilities[0], outputs.embedding[0]
    labels = session.bundle.labels
    decision = decide(probabilities, embedding, statistics, labels, session.bundle.policy)
    watch.stage("infer")
    heat_map = preview = None
    if explain:
        activation = outputs.activation_map[0, :, :, labels.index(decision.label)]
        heat_map = heat_map_uri(activation, statistics.width, statistics.height)
        preview = preview_uri(pixels) if needs_preview(media_type) else None
        watch.stage("explain")
    return Finding(
        image_id=image_id(pixels),
        media_type=media_type,
        statistics=statistics,
        decision=decision,
        probabilities=dict(zip(labels, map(float, probabilities), strict=True)),
        embedding=[float(value) for value in embedding],
        stopped_early=bool(outputs.stopped_early[0]),
        disagreement=_number(outputs.disagreement[0]),
        heat_map=heat_map,
        preview=preview,
        seconds=watch.seconds,
    )


def _number(value: np.floating) -> float | None:
    return float(value) if np.isfinite(value) else None
