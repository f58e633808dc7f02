"""Grouped k-fold: every image is answered once, by a vote that never saw its group."""

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import softmax
from sklearn.model_selection import StratifiedGroupKFold

from ml.contract.decision import DecisionPolicy
from ml.contract.errors import TrainingFailed
from ml.params import Params
from ml.training.data import ImageRows, TrainingData
from ml.training.ensemble import ValidationImages, fit_ensemble, mix
from ml.training.member_files import MemberOutputs, read_validation
from ml.training.results import MemberResult
from ml.training.temperature import calibrate

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
Splits = npt.NDArray[np.str_]
Groups = npt.NDArray[np.generic]
OnTrained = Callable[[int, MemberResult], None]

_HELD_OUT_FILE = "held_out.npz"


@dataclass(frozen=True, slots=True)
class CrossvalidationData:
    """One row an image. `images` is an array file, so that processes share it without copies."""

    images: Path
    labels: Labels
    groups: Groups
    statistics: pd.DataFrame


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """Answers of all folds, in the order of the images.

    `probabilities` (n, classes), calibrated within each fold; `fold` (n,), each image's position
    in `policies`; `members` (n, classes) by name, each member alone; `weights` (folds, members).
    """

    probabilities: Floats
    policies: list[DecisionPolicy]
    fold: Labels
    members: Mapping[str, Floats]
    weights: Floats


def grouped_folds(labels: Labels, groups: Groups, *, folds: int, seed: int) -> list[Splits]:
    """Per fold, each row's split: `test` for one in `folds` groups, `validation` for one in
    `folds + 1` of the rest, `train` for the others; stratified by label.

    Raises:
        TrainingFailed: a class is in too few groups to be in every split of every fold.
    """
    # A group in every test part, and as many more as make the validation parts of the rest.
    fewest = int(pd.Series(groups).groupby(labels).nunique().min())
    if fewest < folds + 1:
        raise _too_few(folds, f"a class is in {fewest} groups")
    rows = np.zeros(len(labels))
    splits: list[Splits] = []
    outer = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for number, (train, test) in enumerate(outer.split(rows, labels, groups)):
        inner = StratifiedGroupKFold(folds + 1, shuffle=True, random_state=seed + number + 1)
        _, validation = next(inner.split(rows[train], labels[train], groups[train]))
        split = np.full(len(labels), "train", dtype="<U10")
        split[test] = "test"
        split[train[validation]] = "validation"
        for part in ("train", "validation", "test"):
            if len(np.unique(labels[split == part])) < len(np.unique(labels)):
                raise _too_few(folds, f"the {part} part of fold {number + 1} lacks a class")
        splits.append(split)
    return splits


def _too_few(folds: int, why: str) -> TrainingFailed:
    return TrainingFailed(
        f"The images cannot be cut into {folds} folds: {why}.",
        remedy=f"Use fewer folds, or ingest images of more than {folds + 1} patients of every "
        "class.",
    )


def cross_validate(
    data: CrossvalidationData,
    splits: Sequence[Splits],
    *,
    params: Params,
    folder: Path,
    processes: int = 1,
    feature_cache: Path | None = None,
    on_trained: OnTrained | None = None,
) -> OutOfFold:
    """Train all members on every fold, fit each fold's vote on its validation part, answer its
    test part. What is finished in `folder` is not trained again.

    Args:
        splits: per fold, each row's split.
        processes: how many members are trained side by side, each on one thread.
        on_trained: called with the fold's number and each member that is ready.

    Raises:
        TrainingFailed: a fold cannot train a member or fit the vote.
    """
    names = params.training.members
    jobs = [(fold, name) for fold in range(len(splits)) for name in names]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        running = {
            pool.submit(
                train_on_fold,
                name,
                data.images,
                data.labels,
                splits[fold],
                params,
                folder / f"fold-{fold}" / name,
                feature_cache,
            ): fold
            for fold, name in jobs
        }
        try:
            for done in as_completed(running):
                if on_trained is not None:
                    on_trained(running[done], done.result())
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return _vote(data, splits, params, folder)


def train_on_fold(
    name: str,
    images: Path,
    labels: Labels,
    split: Splits,
    params: Params,
    folder: Path,
    feature_cache: Path | None,
) -> MemberResult:
    """Train one member on one fold and keep its answers for the fold's test part beside it."""
    from ml.training.checkpoint import load_member
    from ml.training.fit import train_member
    from ml.training.process import limit_threads
    from ml.training.steps import Predictor

    limit_threads(1)
    array = np.load(images, mmap_mode="r", allow_pickle=False)
    result = train_member(
        name,
        data=TrainingData.of_split(array, labels, split),
        labels=params.data.labels,
        params=params.training.of(name),
        spec=params.image.spec,
        folder=folder,
        feature_cache=feature_cache,
    )
    if not (folder / _HELD_OUT_FILE).is_file():
        held_out = ImageRows(array, np.flatnonzero(split == "test"))
        outputs = Predictor(load_member(folder))(held_out)
        partial = folder / f".{_HELD_OUT_FILE}.part"
        with partial.open("wb") as file:
            np.savez(file, logits=outputs.logits, features=outputs.features)
        partial.replace(folder / _HELD_OUT_FILE)
    return result


def _vote(
    data: CrossvalidationData, splits: Sequence[Splits], params: Params, folder: Path
) -> OutOfFold:
    names, labels = params.training.members, params.data.labels
    shape = (len(data.labels), len(labels))
    probabilities, policies = np.zeros(shape), []
    fold_of = np.zeros(shape[0], np.int64)
    members = {name: np.zeros(shape) for name in names}
    weights = np.zeros((len(splits), len(names)))
    for fold, split in enumerate(splits):
        folders = {name: folder / f"fold-{fold}" / name for name in names}
        validation, test = split == "validation", split == "test"
        definition, _ = fit_ensemble(
            {name: read_validation(path) for name, path in folders.items()},
            ValidationImages(
                data.labels[validation],
                data.groups[validation],
                data.statistics[validation],
                labels,
                params.data.critical_label,
            ),
            params.ensemble,
        )
        for name, path in folders.items():
            members[name][test] = softmax(_held_out(path).logits.astype(float), axis=1)
        weights[fold] = [definition.members[name] for name in names]
        answers = np.stack([members[name][test] for name in names])
        probabilities[test] = calibrate(mix(answers, weights[fold]), definition.temperature)
        policies.append(definition.policy)
        fold_of[test] = fold
    return OutOfFold(probabilities, policies, fold_of, members, weights)


def _held_out(folder: Path) -> MemberOutputs:
    with np.load(folder / _HELD_OUT_FILE, allow_pickle=False) as arrays:
        return MemberOutputs(arrays["logits"], arrays["features"])
