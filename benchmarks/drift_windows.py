"""A reference and windows drawn from disjoint groups of images, alike or with a planted shift."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from drift_images import BLURS, DECIBELS, GAINS, Images, Seen
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from ml.contract.decision import (
    DecisionPolicy,
    choose_labels,
    embedding_distance,
    in_refer_band,
)
from ml.contract.engine import ModelOutputs
from ml.contract.quality import STATISTIC_NAMES
from ml.monitoring.reference import Reference
from ml.monitoring.windows import REJECTED, with_derived
from ml.packaging.reference import reference_frame
from ml.params import EnsembleParams
from ml.store.prediction_columns import Repeats
from ml.training.ensemble import projection_part
from ml.training.policy import fit_policy
from ml.training.projection import Projection, fit_projection
from ml.training.temperature import calibrate, fit_temperature
from tests.fakes.one_member import bundle_of_one_member

IMAGES = 500
CRITICAL = "malignant"
_TRAINING, _REFERENCE = {"phantoms": 0.1, "real": 0.2}, 0.4
_REGULARISATION = 0.003

Draw = Callable[[np.random.Generator], tuple[np.ndarray, Seen]]


@dataclass(frozen=True, slots=True)
class Window:
    """A window, and what its labels would show."""

    frame: pd.DataFrame
    repeats: Repeats
    truth: dict[str, float]


@dataclass(frozen=True, slots=True)
class Shift:
    """A shift of a size that the curve's axis shows; the largest of a kind is `planted`."""

    kind: str
    size: float
    planted: bool


class Split:
    """One division of the images by group: a head trained on one part, a reference of another, and
    windows from the rest."""

    def __init__(self, images: Images, params: EnsembleParams, seed: int) -> None:
        self._images = images
        self._drawn_images = "new scanner" in images.changed
        facts = images.facts
        self.labels = sorted(facts["label"].unique(), key=["normal", "benign", CRITICAL].index)
        self._truth = pd.Categorical(facts["label"], self.labels).codes.astype(np.int64)
        groups = facts["group"].to_numpy()
        rng = np.random.default_rng([20, seed])
        names = rng.permutation(np.unique(groups))
        training_share = _TRAINING["phantoms" if self._drawn_images else "real"]
        ends = np.cumsum([training_share, _REFERENCE]) * len(names)
        training, kept, self._rest = (
            np.flatnonzero(np.isin(groups, part)) for part in np.split(names, ends.astype(int))
        )
        self._head = _trained(images.seen.features[training], self._truth[training], seed)
        self._validate(kept, params)

    def _validate(self, rows: np.ndarray, params: EnsembleParams) -> None:
        """What the pipeline does on validation images: temperature, projection, policy."""
        facts = self._images.facts.iloc[rows].reset_index(drop=True)
        features = self._images.seen.features[rows]
        statistics = self._images.seen.statistics.iloc[rows].reset_index(drop=True)
        raw = self._head.predict_proba(features)
        self._temperature = fit_temperature(raw, self._truth[rows])
        fits = projection_part(facts["group"].to_numpy(), params.projection_share)
        self._projection: Projection = fit_projection([features[fits]], params.embedding_components)
        probabilities = calibrate(raw, self._temperature)
        embedding = self._projection.apply(features)
        self.policy: DecisionPolicy = fit_policy(
            probabilities,
            embedding[~fits],
            self._truth[rows],
            statistics,
            label_names=self.labels,
            critical_label=CRITICAL,
            params=params,
        )
        bundle = bundle_of_one_member("mobilenetv2", 96, self.labels, self.policy)
        answers = ModelOutputs(
            probabilities.astype(np.float32),
            embedding,
            np.empty(0),
            np.zeros(len(rows)),
            np.zeros(len(rows)),
        )
        frame = reference_frame(
            pd.concat([facts, statistics], axis=1),
            answers,
            projection_rows=list(np.flatnonzero(fits)),
            label_names=self.labels,
            policy=self.policy,
        )
        self.reference = Reference.of(frame, bundle, "0" * 64)

    def shifts(self) -> Iterator[Shift]:
        """All planted shifts that these images allow, small ones first."""
        phantoms = self._drawn_images
        yield from _sizes("gain", DECIBELS if phantoms else GAINS)
        yield from _sizes("blur", BLURS)
        yield from _sizes("inverted", (0.1, 0.25, 1.0))
        yield from _sizes("class mix", (1.5, 2.0, 2.5) if phantoms else (2.0, 2.5, 3.0))
        if phantoms:
            yield from _sizes("new scanner", (0.1, 0.25, 1.0))
            yield from _sizes("site mix", (0.45, 0.55, 0.7))

    def window(self, shift: Shift | None, seed: int) -> Window:
        """500 images of groups that neither the head nor the reference saw."""
        rng = np.random.default_rng([21, seed])
        rows, seen = self._drawn(shift, rng)
        return self._answered(rows, seen)

    def _drawn(self, shift: Shift | None, rng: np.random.Generator) -> tuple[np.ndarray, Seen]:
        usual = self._images.seen
        if shift is None:
            rows = self._by_group(self._rest, IMAGES, rng)
            return rows, _rows(usual, rows)
        if shift.kind == "class mix":
            critical = self._truth[self._rest] == self.labels.index(CRITICAL)
            rows = self._mixed(critical, shift.size * float(critical.mean()), rng)
            return rows, _rows(usual, rows)
        if shift.kind == "site mix":
            at_one = (self._images.facts["site"].iloc[self._rest] == "harbour").to_numpy()
            rows = self._mixed(at_one, shift.size, rng)
            return rows, _rows(usual, rows)
        rows = self._by_group(self._rest, IMAGES, rng)
        if shift.kind in ("gain", "blur"):
            return rows, _rows(self._images.changed[f"{shift.kind} {shift.size}"], rows)
        # Of the others a share of the groups is changed.
        groups = self._images.facts["group"].to_numpy()[rows]
        names = rng.permutation(np.unique(groups))
        changed = np.isin(groups, names[: round(shift.size * len(names))])
        other = _rows(self._images.changed[shift.kind], rows)
        plain = _rows(usual, rows)
        statistics = plain.statistics.copy()
        statistics[changed] = other.statistics[changed]
        return rows, Seen(
            np.where(changed[:, np.newaxis], other.features, plain.features), statistics
        )

    def _mixed(self, inside: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
        count = round(share * IMAGES)
        return np.concatenate(
            [
                self._by_group(self._rest[inside], count, rng),
                self._by_group(self._rest[~inside], IMAGES - count, rng),
            ]
        )

    def _by_group(self, rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
        """Whole groups in random order, from the start again where there are too few."""
        groups = self._images.facts["group"].to_numpy()[rows]
        drawn: list[int] = []
        while len(drawn) < count:
            for name in rng.permutation(np.unique(groups)):
                drawn.extend(rows[groups == name])
        return np.array(drawn[:count], dtype=np.int64)

    def _answered(self, rows: np.ndarray, seen: Seen) -> Window:
        facts = self._images.facts.iloc[rows].reset_index(drop=True)
        scores = calibrate(self._head.predict_proba(seen.features), self._temperature)
        embedding = self._projection.apply(seen.features).astype(np.float64)
        answers = choose_labels(scores, self.labels, self.policy)
        unsure, near = in_refer_band(scores, self.labels, self.policy)
        frame = pd.DataFrame(
            {
                "request_id": [f"r{number}" for number in range(len(rows))],
                "image_id": facts["image_id"],
                "site": facts["site"],
                "scanner": facts["scanner"],
                "answer": np.array(self.labels, dtype=object)[answers],
                **{name: seen.statistics[name].to_numpy() for name in STATISTIC_NAMES},
                **{f"p_{label}": scores[:, place] for place, label in enumerate(self.labels)},
            }
        )
        frame = with_derived(frame, embedding, self.policy.quality_bounds)
        far = embedding_distance(embedding) > self.policy.outlier_distance
        refer = unsure | near | far | (frame["quality"] == REJECTED).to_numpy()
        frame["action"] = np.where(refer, "refer", "report")
        times = facts["image_id"].value_counts().to_numpy()
        truth, critical = self._truth[rows], self.labels.index(CRITICAL)
        return Window(
            frame,
            Repeats(len(rows), len(times), int(np.square(times).sum())),
            {
                "accuracy": float((answers == truth).mean()),
                "critical_sensitivity": float((answers[truth == critical] == critical).mean()),
                "critical_specificity": float((answers[truth != critical] != critical).mean()),
            },
        )


def _sizes(kind: str, sizes: tuple[float, ...]) -> Iterator[Shift]:
    for size in sizes:
        yield Shift(kind, size, planted=size == sizes[-1])


def _rows(seen: Seen, rows: np.ndarray) -> Seen:
    return Seen(seen.features[rows], seen.statistics.iloc[rows].reset_index(drop=True))


def _trained(features: np.ndarray, truth: np.ndarray, seed: int) -> Pipeline:
    head = make_pipeline(
        StandardScaler(), LogisticRegression(C=_REGULARISATION, max_iter=500, random_state=seed)
    )
    return head.fit(features, truth)
