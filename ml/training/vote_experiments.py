"""The experiments in which several members vote."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from ml.contract.errors import TrainingFailed
from ml.contract.preprocessing import to_input
from ml.evaluation.experiment_metrics import Answers
from ml.packaging.compose import Voter, compose
from ml.packaging.member import FLOAT_FILE, package_member
from ml.packaging.quantize import choose_calibration_inputs
from ml.packaging.results import MemberExport
from ml.packaging.search import Judged
from ml.training.bench import answer
from ml.training.ensemble import ValidationImages, fit_ensemble, mix
from ml.training.member_files import read_validation
from ml.training.projection import Projection
from ml.training.results import EnsembleDefinition, MemberResult
from ml.training.trials import Trial, Trials, Tried, failed_row

Floats = npt.NDArray[np.floating]

_SOFT, _MAJORITY, _INT8 = (
    "4 weighted vote, soft",
    "4 weighted vote, majority",
    "5 the soft vote in int8",
)


@dataclass(frozen=True, slots=True)
class _Vote:
    """Trained members and their fitted vote."""

    folders: dict[str, Path]
    definition: EnsembleDefinition
    projection: Projection

    def compose(self, files: Mapping[str, str], out: Path) -> Path:
        """Join the voters' files, given by member, into one graph."""
        return compose(
            [
                Voter(self.folders[name] / files[name], name, weight)
                for name, weight in self.definition.voters.items()
            ],
            temperature=self.definition.temperature,
            projection=self.projection,
            out=out,
        )


def measure_votes(trials: Trials) -> Tried:
    """Experiments 4 and 5: the weighted vote, soft and by majority, then soft in int8.

    The weights are those of least validation log loss, for both ways to vote. Members that cannot
    be trained are left out; each row names them.
    """
    chosen = {
        name: Trial(name, trials.params.training.of(name), trials.intensive_augmentation)
        for name in trials.params.training.members
    }
    members, failures = _train(trials, chosen)
    if not members:
        reason = f"None of the members could be trained. {_listed(failures)}."
        about = f"vote of {', '.join(chosen)}"
        yield failed_row("ensemble", _SOFT, about, reason), {}
        yield failed_row("majority", _MAJORITY, about, reason, run="ensemble"), {}
        yield failed_row("int8", _INT8, about, reason), {}
        return
    left_out = f"; without {_listed(failures)}" if failures else ""
    seconds = sum(member.seconds for member in members.values())
    vote = _fit(trials, {name: trials.folder_of(chosen[name]) for name in members})
    exports = _package(trials, vote)
    voters, images = vote.definition.voters, trials.data.test_images
    fp32 = vote.compose(dict.fromkeys(voters, FLOAT_FILE), trials.folder / "ensemble.onnx")
    yield (
        trials.row(
            "ensemble",
            _SOFT,
            f"mean of the members' probabilities, {_weights(vote.definition)}{left_out}",
            Answers.of_probabilities(answer(fp32, "probabilities", images)),
            graph=fp32,
            output="probabilities",
            seconds=seconds,
            against="augmentation",
        ),
        members,
    )
    probabilities = {
        name: softmax(answer(vote.folders[name] / FLOAT_FILE, "logits", images), axis=1)
        for name in voters
    }
    yield (
        trials.row(
            "majority",
            _MAJORITY,
            f"each member's label counts with its weight{_decider(vote.definition)}; "
            "images are ranked by shares of the weight, so its AUC is coarse; size and latency are "
            f"those of the soft vote{left_out}",
            majority_vote(probabilities, voters),
            graph=fp32,
            output="probabilities",
            seconds=seconds,
            against="ensemble",
            run="ensemble",
        ),
        {},
    )
    files = {name: export.path for name, export in exports.items()}
    int8 = vote.compose(files, trials.folder / "int8.onnx")
    precisions = ", ".join(f"{name} {export.precision}" for name, export in exports.items())
    yield (
        trials.row(
            "int8",
            _INT8,
            f"int8 where a member keeps its labels: {precisions}{left_out}",
            Answers.of_probabilities(answer(int8, "probabilities", images)),
            graph=int8,
            output="probabilities",
            seconds=seconds,
            against="ensemble",
        ),
        {},
    )


def majority_vote(probabilities: Mapping[str, Floats], weights: Mapping[str, float]) -> Answers:
    """Each member gives its whole weight to one label; a tie goes to the soft vote's choice.

    Args:
        probabilities: member → (n, classes).

    Returns:
        The labels, and as scores each label's share of the weight.
    """
    stacked = np.stack([probabilities[name] for name in weights])
    factors = np.array(list(weights.values()))
    soft = mix(stacked, factors)
    given = np.eye(stacked.shape[-1])[stacked.argmax(axis=-1)]
    shares = mix(given, factors)
    leading = np.isclose(shares, shares.max(axis=1, keepdims=True))
    return Answers(np.where(leading, soft, -1.0).argmax(axis=1).astype(np.int64), shares)


def _train(
    trials: Trials, chosen: Mapping[str, Trial]
) -> tuple[dict[str, MemberResult], dict[str, str]]:
    """The members that could be trained, and why the others could not."""
    members: dict[str, MemberResult] = {}
    failures: dict[str, str] = {}
    for name, trial in chosen.items():
        try:
            members[name] = trials.train(trial, f"4 {name}")
        except TrainingFailed as error:
            failures[name] = error.message.removesuffix(".")
    return members, failures


def _listed(failures: Mapping[str, str]) -> str:
    return ", ".join(f"{name} ({reason})" for name, reason in failures.items())


def _fit(trials: Trials, folders: dict[str, Path]) -> _Vote:
    data, params = trials.data, trials.params
    definition, projection = fit_ensemble(
        {name: read_validation(folder) for name, folder in folders.items()},
        ValidationImages(
            data.training.validation_labels,
            data.validation_groups,
            data.validation_statistics,
            params.data.labels,
            params.data.critical_label,
        ),
        params.ensemble,
    )
    return _Vote(folders, definition, projection)


def _package(trials: Trials, vote: _Vote) -> dict[str, MemberExport]:
    training, quantization = trials.data.training, trials.params.quantization
    calibration_inputs = choose_calibration_inputs(training.train_images, quantization)
    labels = trials.params.data.labels
    judged = Judged(
        to_input(training.validation_images[:]),
        np.asarray(training.validation_labels),
        labels.index(trials.params.data.critical_label),
    )
    return {
        name: package_member(
            vote.folders[name],
            calibration_inputs=calibration_inputs,
            judged=judged,
            params=quantization,
        )
        for name in vote.definition.voters
    }


def _weights(definition: EnsembleDefinition) -> str:
    return ", ".join(f"{name} {weight:.2f}" for name, weight in definition.members.items())


def _decider(definition: EnsembleDefinition) -> str:
    name, weight = max(definition.voters.items(), key=lambda item: item[1])
    return f" ({name} alone holds {weight:.0%} and decides)" if weight > 0.5 else ""
