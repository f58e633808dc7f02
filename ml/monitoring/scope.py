"""All signals of one part of the images, counted while a window passes by."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.monitoring.distance import Counter, ShareCounter, Tested, ValueCounter
from ml.monitoring.reference import GROUP, Reference
from ml.monitoring.signals import Signal, signals_of
from ml.monitoring.windows import ORIGINS

_SLICES = ORIGINS


class Scope:
    """Counters of `signals` for some rows of the reference, and how many images were counted."""

    def __init__(self, reference: pd.DataFrame, signals: Sequence[Signal]) -> None:
        groups = reference[GROUP].to_numpy()
        self.reference_images = len(reference)
        self.images = 0
        self.counters = {signal: _counter(signal, reference, groups) for signal in signals}

    def add(self, frame: pd.DataFrame) -> None:
        """Count more images."""
        self.images += len(frame)
        for signal, counter in self.counters.items():
            counter.add(frame[signal.name])

    def tests(
        self, worth: float, *, at_least: int, confidence: float
    ) -> list[tuple[Signal, Tested]]:
        """The signals that both sides have; see `Counter.test`."""
        tested = [
            (signal, counter.test(worth, at_least=at_least, confidence=confidence))
            for signal, counter in self.counters.items()
        ]
        return [(signal, test) for signal, test in tested if test is not None]


@dataclass(slots=True)
class Scopes:
    """The scope of all images and one per site and scanner, filled in a single pass.

    `others` counts images of sites and scanners that the reference has too few of, by dimension
    and value; at most `most_others` different ones, since clients write what they like.
    """

    whole: Scope
    slices: dict[tuple[str, str], Scope]
    reference_counts: dict[tuple[str, str], int]
    min_slice_images: int
    others: dict[tuple[str, str], int] = field(default_factory=dict)
    most_others: int = 50

    @classmethod
    def of(cls, reference: Reference, *, min_slice_images: int) -> "Scopes":
        """Empty scopes: a slice for each value that the reference has often enough, unless it is
        the value of all of it."""
        signals = signals_of(reference.bundle.labels, reference.components)
        rows = reference.rows
        counts = {
            (dimension, str(value)): int(n)
            for dimension in _SLICES
            for value, n in rows[dimension].value_counts().items()
        }
        within = [signal for signal in signals if signal.kind != "origin"]
        return cls(
            whole=Scope(rows, signals),
            slices={
                (dimension, value): Scope(rows[rows[dimension] == value], within)
                for (dimension, value), n in counts.items()
                if min_slice_images <= n < len(rows)
            },
            reference_counts=counts,
            min_slice_images=min_slice_images,
        )

    def add(self, frame: pd.DataFrame) -> None:
        """Count more of the window."""
        self.whole.add(frame)
        for dimension in _SLICES:
            for value, part in frame.groupby(dimension):
                key = dimension, str(value)
                if key in self.slices:
                    self.slices[key].add(part)
                elif self._is_rare(key) and (
                    key in self.others or len(self.others) < self.most_others
                ):
                    self.others[key] = self.others.get(key, 0) + len(part)

    def _is_rare(self, key: tuple[str, str]) -> bool:
        return self.reference_counts.get(key, 0) < self.min_slice_images

    def answers(self) -> ShareCounter:
        """The counter of the answers of all images."""
        return next(
            counter
            for signal, counter in self.whole.counters.items()
            if signal.kind == "answer" and isinstance(counter, ShareCounter)
        )


def _counter(signal: Signal, reference: pd.DataFrame, groups: npt.NDArray[np.int64]) -> Counter:
    if signal.numerical:
        return ValueCounter(reference[signal.name], groups)
    return ShareCounter(
        reference[signal.name], groups, categories=signal.categories, told=signal.told
    )
