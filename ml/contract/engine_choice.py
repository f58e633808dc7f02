"""Which engine answers: the fastest of those that answer as the reference does.

Rule and bounds were measured; see docs/adr/0006-engines.md.
"""

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from ml.contract.bundle import Bundle
from ml.contract.decision import choose_labels, embedding_distance, in_refer_band, prediction_sets
from ml.contract.engine import OUTPUTS, Engine, EngineSetting, Floats, ModelOutputs
from ml.contract.errors import EngineUnusable

PROBABILITY_BOUND = 0.02
_EMBEDDING_BOUND = 0.25  # of a component's standard deviation
_MAP_BOUND = 0.1  # of the map's range
_WORTH = 0.95  # a gain below 5 % is noise, and no reason to leave the reference
_MOST_ROUNDS = 40
_FEWEST_ROUNDS = 8
_SECONDS = 2.0

Rivals = Mapping[str, Callable[[], Engine]]
"""By name, what loads an engine or raises EngineUnusable; the most promising first."""


class EngineTrial(BaseModel):
    """What was seen of one candidate on the golden inputs.

    `milliseconds` is the median per image, one image a call, the mean of an adaptive vote;
    `difference` the largest one in probability from the reference; both None where it was not
    measured. `refused` says why it does not answer; None for the one that does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: str
    milliseconds: float | None = None
    difference: float | None = None
    refused: str | None = None


class EngineChoice(BaseModel):
    """The engine that answers, and every candidate that was tried."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    setting: EngineSetting
    engine: str
    version: str
    trials: list[EngineTrial]

    def sentence(self) -> str:
        """The choice in one line for people."""
        seen = [
            f"{trial.engine} "
            + ("not measured" if trial.milliseconds is None else f"{trial.milliseconds:.1f} ms")
            + ("" if trial.refused is None else f" ({trial.refused})")
            for trial in self.trials
        ]
        return f"{self.engine} {self.version} answers: {', '.join(seen)}"


def choose_engine(
    setting: EngineSetting, reference: Engine, rivals: Rivals, golden: Floats, bundle: Bundle
) -> tuple[Engine, EngineChoice]:
    """Choose between the reference and the first of `rivals` that answers alike.

    Args:
        setting: `onnxruntime` takes the reference and tries no other, `openvino` takes the rival,
            `auto` the faster of the two.
        golden: inputs of shape (n, height, width, channels), n > 0.

    Raises:
        EngineUnusable: a rival is asked for and none can be used.
    """
    if setting == "onnxruntime":
        only = EngineTrial(engine=reference.name, milliseconds=None, difference=0, refused=None)
        return reference, _choice(setting, reference, [only])
    expected = reference.run(golden)
    rival, difference, refused = _first_alike(rivals, expected, golden, bundle)
    if rival is None:
        reasons = " ".join(dict.fromkeys(trial.refused or "" for trial in refused))
        if setting != "auto":
            raise EngineUnusable(
                f"VIGIE_ENGINE={setting} cannot be used: {reasons}",
                remedy="Set VIGIE_ENGINE=auto, which then serves with ONNX Runtime.",
            )
        own_ms, _ = _milliseconds(reference, None, golden, bundle)
        own = EngineTrial(engine=reference.name, milliseconds=own_ms, difference=0, refused=None)
        return reference, _choice(setting, reference, [own, *refused])
    own_ms, rival_ms = _milliseconds(reference, rival, golden, bundle)
    pinned = setting != "auto"
    wins = pinned or rival_ms < _WORTH * own_ms
    why = f"VIGIE_ENGINE={setting}" if pinned else f"slower than {rival.name}"
    trials = [
        EngineTrial(
            engine=reference.name, milliseconds=own_ms, difference=0, refused=why if wins else None
        ),
        EngineTrial(
            engine=rival.name,
            milliseconds=rival_ms,
            difference=difference,
            refused=None if wins else "not 5 % faster than the reference",
        ),
        *refused,
    ]
    chosen = rival if wins else reference
    return chosen, _choice(setting, chosen, trials)


def mismatch(expected: ModelOutputs, actual: ModelOutputs, bundle: Bundle) -> str | None:
    """Why `actual` is not alike, or None.

    Alike are outputs that lead to the same decision on every image and differ by at most 0.02 in
    any probability, a quarter of a standard deviation in any embedding component, and a tenth of
    its range anywhere in an activation map.
    """
    if not all(np.isfinite(getattr(actual, name)).all() for name in OUTPUTS):
        return "It answers with values that are not numbers."
    changed = (_decisions(expected, bundle) != _decisions(actual, bundle)).any(axis=1)
    if changed.any():
        return f"It decides otherwise on {changed.sum()} of {len(changed)} golden images."
    ranges = np.ptp(expected.activation_map, axis=(1, 2, 3), keepdims=True)
    maps = np.abs(actual.activation_map - expected.activation_map)
    for what, difference, bound in (
        ("probabilities", largest_difference(expected, actual), PROBABILITY_BOUND),
        ("embedding", np.abs(actual.embedding - expected.embedding).max(), _EMBEDDING_BOUND),
        ("activation map", (maps / np.maximum(ranges, 1e-6)).max(), _MAP_BOUND),
    ):
        if not difference <= bound:
            return f"Its {what} differ by {difference:.2g} (allowed {bound:g})."
    return None


def largest_difference(expected: ModelOutputs, actual: ModelOutputs) -> float:
    """The largest difference in any probability."""
    return float(np.abs(actual.probabilities - expected.probabilities).max())


def _decisions(outputs: ModelOutputs, bundle: Bundle) -> npt.NDArray[np.int64]:
    """All of a decision but the image's own quality, and who made it, a row per image."""
    probabilities, labels, policy = outputs.probabilities, bundle.labels, bundle.policy
    return np.column_stack(
        [
            choose_labels(probabilities, labels, policy),
            *in_refer_band(probabilities, labels, policy),
            embedding_distance(outputs.embedding) > policy.outlier_distance,
            outputs.stopped_early > 0,
            prediction_sets(probabilities, labels, policy),
        ]
    )


def _first_alike(
    rivals: Rivals, expected: ModelOutputs, golden: Floats, bundle: Bundle
) -> tuple[Engine | None, float | None, list[EngineTrial]]:
    refused: list[EngineTrial] = []
    for name, load in rivals.items():
        difference = None
        try:
            engine = load()
        except EngineUnusable as error:
            reason: str | None = error.message
        else:
            answers = list(engine.run_each(golden))
            largest = max(largest_difference(expected, answer) for answer in answers)
            difference = largest if np.isfinite(largest) else None
            reasons = [mismatch(expected, answer, bundle) for answer in answers]
            reason = next(filter(None, reasons), None)
            if reason is None:
                return engine, difference, refused
        refused.append(
            EngineTrial(engine=name, milliseconds=None, difference=difference, refused=reason)
        )
    return None, None, refused


def _milliseconds(
    reference: Engine, rival: Engine | None, inputs: Floats, bundle: Bundle
) -> tuple[float, float]:
    """Typical milliseconds per image of both in turn, so that other load meets both alike.

    Medians; means of an adaptive vote, which spends little on most images and all on some.
    """
    typical = np.median if bundle.adaptive is None else np.mean
    engines = [reference] if rival is None else [reference, rival]
    seconds: Sequence[list[float]] = [[] for _ in engines]
    begun = time.perf_counter()
    for number in range(_MOST_ROUNDS):
        if number >= _FEWEST_ROUNDS and time.perf_counter() - begun > _SECONDS:
            break
        image = inputs[number % len(inputs)][np.newaxis]
        for engine, taken in zip(engines, seconds, strict=True):
            started = time.perf_counter()
            engine.run(image)
            taken.append(time.perf_counter() - started)
    found = [float(typical(taken)) * 1e3 for taken in seconds]
    return found[0], found[-1]


def _choice(setting: EngineSetting, engine: Engine, trials: list[EngineTrial]) -> EngineChoice:
    return EngineChoice(setting=setting, engine=engine.name, version=engine.version, trials=trials)
