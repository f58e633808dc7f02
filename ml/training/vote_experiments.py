"""The experiments in which several members vote."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from ml.contract.preprocessing import to_input
from ml.evaluation.experiment_metrics import Answers
from ml.evaluation.experiment_table import ExperimentRow
from ml.packaging.compose import Voter, compose
from ml.packaging.member import FLOAT_FILE, package_member
from ml.packaging.quantize import choose_calibration_inputs
from ml.packaging.results import MemberExport
from ml.training.bench import answer
from ml.training.ensemble import fit_ensemble
from ml.training.member_files import read_validation
from ml.training.projection import Projection
from ml.training.results import EnsembleDefinition
from ml.training.trials import Members, Trial, Trials

Floats = npt.NDArray[np.floating]


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


def measure_votes(trials: Trials) -> Iterator[tuple[ExperimentRow, Members]]:
    """Experiments 4 and 5: the weighted vote, soft and by majority, then soft in int8.

    The weights are those of least validation log loss, for both ways to vote.
    """
    names, training = trials.params.training.members, trials.params.training
    chosen = {name: Trial(name, training.of(name), trials.intensive_augmentation) for name in names}
    members = {name: trials.train(trial, f"4 {name}") for name, trial in chosen.items()}
    seconds = sum(member.seconds for member in members.values())
    vote = _fit(trials, {name: trials.folder_of(trial) for name, trial in chosen.items()})
    exports = _package(trials, vote)
    voters, images = vote.definition.voters, trials.data.test_images
    fp32 = vote.compose(dict.fromkeys(voters, FLOAT_FILE), trials.folder / "ensemble.onnx")
    yield (
        trials.row(
            "ensemble",
            "4 weighted vote, soft",
            f"mean of the members' probabilities, {_weights(vote.definition)}",
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
            "4 weighted vote, majority",
            f"each member's label counts with its weight{_decider(vote.definition)}; "
            "images are ranked by shares of the weight, so its AUC is coarse; size and latency are "
            "those of the soft vote",
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
            "5 the soft vote in int8",
            f"int8 where a member keeps its labels: {precisions}",
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
    soft = np.einsum("m,mnc->nc", factors, stacked)
    given = np.eye(stacked.shape[-1])[stacked.argmax(axis=-1)]
    shares = np.einsum("m,mnc->nc", factors, given)
    leading = np.isclose(shares, shares.max(axis=1, keepdims=True))
    return Answers(np.where(leading, soft, -1.0).argmax(axis=1).astype(np.int64), shares)


def _fit(trials: Trials, folders: dict[str, Path]) -> _Vote:
    data, params = trials.data, trials.params
    definition, projection = fit_ensemble(
        {name: read_validation(folder) for name, folder in folders.items()},
        data.training.validation_labels,
        data.validation_groups,
        data.validation_statistics,
        label_names=params.data.labels,
        critical_label=params.data.critical_label,
        params=params.ensemble,
    )
    return _Vote(folders, definition, projection)


def _package(trials: Trials, vote: _Vote) -> dict[str, MemberExport]:
    training, quantization = trials.data.training, trials.params.quantization
    calibration_inputs = choose_calibration_inputs(training.train_images, quantization)
    validation_inputs = to_input(training.validation_images[:])
    return {
        name: package_member(
            vote.folders[name],
            calibration_inputs=calibration_inputs,
            validation_inputs=validation_inputs,
            params=quantization,
        )
        for name in vote.definition.voters
    }


def _weights(definition: EnsembleDefinition) -> str:
    return ", ".join(f"{name} {weight:.2f}" for name, weight in definition.members.items())


def _decider(definition: EnsembleDefinition) -> str:
    name, weight = max(definition.voters.items(), key=lambda item: item[1])
    return f" ({name} alone holds {weight:.0%} and decides)" if weight > 0.5 else ""
