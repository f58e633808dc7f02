"""ResNet50, InceptionV3 and EfficientNetB0 trained on phantoms at 224 px, as graphs to measure.

Speed needs no training, but when one member may answer for all does. Made once per folder, from
random weights, in about an hour on two cores.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from serving_bundle import ENSEMBLE, ROOT, in_own_process

from ml.contract.bundle import AdaptiveVote, InputSpec
from ml.contract.decision import DecisionPolicy, choose_labels
from ml.contract.engine import Floats
from ml.contract.preprocessing import to_grid, to_input
from ml.contract.quality import measure
from ml.data.phantoms import LABELS, SCANNERS, render_phantom

SPEC = InputSpec(height=224, width=224, channels=1)
CRITICAL = LABELS.index("malignant")
SHARES = (0.6, 0.3, 0.1)  # normal, benign, malignant: the mix of a phantom cohort
_TRAIN, _VALIDATION, _JUDGED = 900, 600, 200
_SEEDS = {"train": 20, "validation": 21, "test": 22}
# The cheap one may learn longer.
_EPOCHS = {"resnet50": 5, "inceptionv3": 5, "efficientnetb0": 7}
_DEFINITION = "ensemble.json"

Grids = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TrainedEnsemble:
    """Graphs of the same three members with equal votes, and when one of them answers alone."""

    in_float: Path
    in_int8: Path
    adaptive_float: Path
    adaptive_int8: Path
    members: Mapping[str, Path]
    adaptive: AdaptiveVote
    policy: DecisionPolicy

    def answers(self, probabilities: Floats) -> Labels:
        """Label positions of probabilities (n, classes)."""
        return choose_labels(probabilities, LABELS, self.policy)


def trained_ensemble(folder: Path) -> TrainedEnsemble:
    """The ensemble in `folder`; trained now unless it is there."""
    if not (folder / _DEFINITION).is_file():
        print(f"training {', '.join(ENSEMBLE)} on {_TRAIN} phantoms", flush=True)
        for member in ENSEMBLE:
            in_own_process(_train, folder, member)
        in_own_process(_compose, folder)
    kept = json.loads((folder / _DEFINITION).read_text())
    return TrainedEnsemble(
        in_float=folder / "float.onnx",
        in_int8=folder / "int8.onnx",
        adaptive_float=folder / "adaptive-float.onnx",
        adaptive_int8=folder / "adaptive-int8.onnx",
        members={name: folder / name for name in ENSEMBLE},
        adaptive=AdaptiveVote.model_validate(kept["adaptive"]),
        policy=DecisionPolicy.model_validate(kept["policy"]),
    )


def phantom_inputs(split: str, count: int, *, label: int | None = None) -> tuple[Floats, Labels]:
    """Model inputs (n, 224, 224, 1) and their labels, of the cohort's mix or of one label."""
    grids, labels = _phantoms(split, count, label)
    return to_input(grids), labels


def _phantoms(split: str, count: int, label: int | None = None) -> tuple[Grids, Labels]:
    rng = np.random.default_rng([_SEEDS[split], 0 if label is None else label + 1])
    mixed = rng.choice(len(LABELS), count, p=SHARES)
    labels = mixed if label is None else np.full(count, label)
    grids = [
        to_grid(render_phantom(LABELS[label], rng, SCANNERS[number % len(SCANNERS)]), SPEC)
        for number, label in enumerate(labels)
    ]
    return np.stack(grids), labels.astype(np.int64)


def _train(folder: Path, member: str) -> None:
    from ml.params import load_params
    from ml.training.data import TrainingData
    from ml.training.fit import train_member

    params = load_params(ROOT / "params.toml", profile="demo").training
    train_images, train_labels = _phantoms("train", _TRAIN)
    validation_images, validation_labels = _phantoms("validation", _VALIDATION)
    result = train_member(
        member,
        data=TrainingData(train_images, train_labels, validation_images, validation_labels),
        labels=LABELS,
        params=params.model_copy(update={"epochs": _EPOCHS[member]}),
        spec=SPEC,
        folder=folder / member,
    )
    print(f"{member}: validation accuracy {result.validation.accuracy:.3f}", flush=True)


def _compose(folder: Path) -> None:
    from ml.packaging.adaptive import StopRule
    from ml.packaging.compose import Voter, compose
    from ml.packaging.member import EXPORT_FILE, FLOAT_FILE, package_member
    from ml.packaging.results import MemberExport
    from ml.packaging.search import Judged
    from ml.params import load_params
    from ml.training.ensemble import ValidationImages, fit_ensemble
    from ml.training.member_files import read_member, read_validation
    from ml.training.projection import fit_projection

    # Two int8 settings a member: the search of all six takes as long as the training.
    params = load_params(
        ROOT / "params.toml", profile="demo", overrides=["ensemble.adaptive.enabled=true"]
    )
    images, truth = _phantoms("validation", _VALIDATION)
    calibration_images, _ = _phantoms("train", params.quantization.calibration_images)
    folders = {name: folder / name for name in ENSEMBLE}
    files = {}
    for name, work in folders.items():
        if not (work / EXPORT_FILE).is_file():
            package_member(
                work,
                calibration_inputs=to_input(calibration_images),
                judged=Judged(to_input(images[:_JUDGED]), truth[:_JUDGED], CRITICAL),
                params=params.quantization,
            )
        export = MemberExport.model_validate_json((work / EXPORT_FILE).read_bytes())
        files[name] = {"float": FLOAT_FILE, "int8": export.path}
    outputs = {name: read_validation(work) for name, work in folders.items()}
    definition, projection = fit_ensemble(
        outputs,
        ValidationImages(
            truth,
            np.arange(len(truth)),
            pd.DataFrame([measure(image[..., 0]).model_dump() for image in images]),
            LABELS,
            LABELS[CRITICAL],
        ),
        params.ensemble,
        multiplications={name: read_member(work).multiplications for name, work in folders.items()},
        weights=dict.fromkeys(ENSEMBLE, 1 / len(ENSEMBLE)),
    )
    if definition.adaptive is None:
        raise SystemExit("No member can answer alone: nothing to measure.")
    whole = fit_projection([item.features for item in outputs.values()], 16)
    for kind in ("float", "int8"):
        voters = [
            Voter(folders[name] / files[name][kind], name, weight)
            for name, weight in definition.members.items()
        ]
        for stop, embedded, out in (
            (None, whole, f"{kind}.onnx"),
            (StopRule(definition.adaptive, CRITICAL), projection, f"adaptive-{kind}.onnx"),
        ):
            compose(
                voters,
                temperature=definition.temperature,
                projection=embedded,
                out=folder / out,
                stop=stop,
            )
    kept = {"adaptive": definition.adaptive, "policy": definition.policy}
    content = {name: value.model_dump(mode="json") for name, value in kept.items()}
    (folder / _DEFINITION).write_text(json.dumps(content, indent=2) + "\n")
