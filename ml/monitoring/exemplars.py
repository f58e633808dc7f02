"""Images that show what moved, by their ids."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.monitoring.results import Exemplar, SignalDrift

Floats = npt.NDArray[np.float64]
_BINS = 10
_NAMED = 3
_NUMERICAL = ("image", "embedding", "score")


def choose_exemplars(
    reference: pd.DataFrame, current: pd.DataFrame, moved: Sequence[SignalDrift], count: int
) -> list[Exemplar]:
    """The images of `current` that are most more usual there than in the reference.

    An image's weight is the sum, over the signals that moved, of the logarithm of how much more
    often values like its own occur in the window (tenths of the reference; categories as such). Its
    signals are those that weigh most.
    """
    named = [signal for signal in moved if signal.name in current]
    # Where an image comes from is not to be seen in it.
    signals = [signal for signal in named if signal.kind != "origin"] or named
    if not signals or not count:
        return []
    weights = np.stack([_weights(reference, current, signal) for signal in signals], axis=1)
    order = np.argsort(-weights.sum(axis=1), kind="stable")
    first = ~current["image_id"].iloc[order].duplicated().to_numpy()
    exemplars = []
    for row in order[first][:count]:
        heaviest = np.argsort(-weights[row], kind="stable")[:_NAMED]
        names = [signals[index].name for index in heaviest if weights[row, index] > 0]
        if names:
            exemplars.append(Exemplar(image_id=current["image_id"].iloc[row], signals=names))
    return exemplars


def _weights(reference: pd.DataFrame, current: pd.DataFrame, signal: SignalDrift) -> Floats:
    before, now = reference[signal.name].dropna(), current[signal.name]
    if signal.kind in _NUMERICAL:
        edges = np.unique(np.quantile(before, np.linspace(0, 1, _BINS + 1)[1:-1]))
        usual = np.searchsorted(edges, before.to_numpy(), "right")
        seen = np.searchsorted(edges, now.to_numpy(), "right")
        size = len(edges) + 1
    else:
        codes, names = pd.factorize(pd.concat([before, now]))
        usual, seen, size = codes[: len(before)], codes[len(before) :], len(names)
    known = now.notna().to_numpy()
    weights = np.zeros(len(now))
    weights[known] = np.log(_shares(seen[known], size) / _shares(usual, size))[seen[known]]
    return weights


def _shares(places: npt.NDArray[np.int64], size: int) -> Floats:
    """With one more image in each bin, so that an empty one is rare rather than impossible."""
    return (np.bincount(places, minlength=size) + 1) / (len(places) + size)
