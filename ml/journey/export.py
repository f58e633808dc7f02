"""Stage 6, export: each member to ONNX and int8, then all of them into one sealed bundle."""

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from ml.contract.bundle import Bundle, MemberSpec, QuantizationSpec
from ml.contract.preprocessing import PREPROCESSING_VERSION, to_input
from ml.journey.ensemble import read_ensemble
from ml.journey.images import grids, label_indices
from ml.journey.model_card import write_card
from ml.journey.run import Run, tracker_of, write_json
from ml.journey.workspace import Workspace
from ml.packaging.results import BundleInfo, MemberExport
from ml.training.results import EnsembleDefinition

if TYPE_CHECKING:
    from ml.packaging.compose import Voter

log = logging.getLogger(__name__)
_EXPORT, _INFO = "export.json", "bundle.info.json"


def export_member(workspace: Workspace, run_key: str, member: str) -> MemberExport:
    """Convert a trained member to ONNX, quantize it, choose the precision that keeps its answers.

    Calibration uses training images, parity validation images, both preprocessed as in serving.
    """
    from ml.packaging.member import package_member
    from ml.packaging.search import SEARCH_FILE, Judged

    run = Run.open(workspace, run_key)
    if (run.member(member) / _EXPORT).is_file():
        return _read_export(run, member)
    frame = run.frame(workspace)
    images = grids(workspace, run.params.image.spec, frame)
    train = np.flatnonzero(frame["split"] == "train")
    validation = np.flatnonzero(frame["split"] == "validation")
    shuffled = np.random.default_rng(run.params.training.seed).permutation(train)
    calibration = np.sort(shuffled[: run.params.quantization.calibration_images])
    export = package_member(
        run.member(member),
        calibration_inputs=to_input(images[calibration]),
        judged=Judged(
            to_input(images[validation]),
            label_indices(frame.iloc[validation], run.params.data.labels),
            run.params.data.labels.index(run.params.data.critical_label),
        ),
        params=run.params.quantization,
    )
    tracker = tracker_of(workspace)
    member_run = run.member_run(tracker, member)
    tracker.log(
        member_run,
        metrics={"int8.flip_rate": export.parity.flip_rate} if export.parity else {},
        tags={"vigie.precision": export.precision, "vigie.precision.reason": export.reason},
    )
    files = [run.member(member) / name for name in (_EXPORT, SEARCH_FILE)]
    tracker.log_files(member_run, [file for file in files if file.is_file()], "export")
    return export


def seal(workspace: Workspace, run_key: str) -> BundleInfo:
    """Compose the members into one graph and seal the bundle. A sealed bundle is never rebuilt."""
    from ml.packaging.adaptive import stop_rule
    from ml.packaging.compose import compose
    from ml.packaging.member import FLOAT_FILE
    from ml.packaging.seal import seal as seal_bundle

    run = Run.open(workspace, run_key)
    info_file = run.folder / _INFO
    if info_file.is_file() and run.bundle.is_dir():
        return BundleInfo.model_validate_json(info_file.read_bytes())
    definition, projection = read_ensemble(run)
    exports = {name: _read_export(run, name) for name in definition.members}
    frame = run.frame(workspace)
    rows = (frame["split"] == "validation").to_numpy()
    inputs = to_input(grids(workspace, run.params.image.spec, frame)[rows])
    served = _voters(run, definition, {name: item.path for name, item in exports.items()})
    in_float = _voters(run, definition, dict.fromkeys(exports, FLOAT_FILE))
    bundle = _describe(run, definition, exports)
    compose(
        in_float,
        temperature=definition.temperature,
        projection=None,
        out=run.float_model,
        stop=stop_rule(bundle),
    )
    if definition.adaptive:
        compose(served, temperature=definition.temperature, projection=None, out=run.whole_model)
    info = seal_bundle(
        run.bundle,
        bundle=bundle,
        members=served,
        projection=projection,
        projection_rows=definition.projection_rows,
        validation_rows=frame[rows],
        validation_inputs=inputs,
        card=write_card(run, frame, bundle, inputs),
    )
    write_json(info_file, info.model_dump(mode="json"))
    log.info(
        "Sealed bundle %s, %.0f MB: %s.",
        info.sha256[:12],
        info.bytes / 2**20,
        ", ".join(f"{name} {precision}" for name, precision in info.members.items()),
    )
    return info


def _read_export(run: Run, member: str) -> MemberExport:
    path = run.member(member) / _EXPORT
    return MemberExport.model_validate_json(path.read_bytes())


def _voters(run: Run, definition: EnsembleDefinition, files: dict[str, str]) -> "list[Voter]":
    from ml.packaging.compose import Voter

    return [
        Voter(run.member(name) / files[name], name, weight)
        for name, weight in definition.members.items()
    ]


def _settings(exports: dict[str, MemberExport]) -> str:
    """The settings that serve, in words."""
    named = [f"{name} {item.setting}" for name, item in exports.items() if item.setting]
    return "; ".join(named) or "none, all members are in fp32"


def _describe(run: Run, definition: EnsembleDefinition, exports: dict[str, MemberExport]) -> Bundle:
    from ml.packaging.cpu import cpu_features, cpu_model, saturates_int8

    quantization = run.params.quantization
    return Bundle(
        name="vigie",
        labels=run.params.data.labels,
        input=run.params.image.spec,
        preprocessing_version=PREPROCESSING_VERSION,
        temperature=definition.temperature,
        policy=definition.policy,
        members=[
            MemberSpec(
                name=name,
                architecture=exports[name].architecture,
                weight=weight,
                precision=exports[name].precision,
                flip_rate=exports[name].flip_rate,
                quantization=exports[name].setting,
            )
            for name, weight in definition.members.items()
        ],
        adaptive=definition.adaptive,
        quantization=QuantizationSpec(
            calibration_method=_settings(exports),
            calibration_images=quantization.calibration_images,
            per_channel=True,
            reduce_range=saturates_int8(),
            cpu_model=cpu_model(),
            cpu_features=cpu_features(),
        ),
        dataset_id=run.info.dataset_id,
        run_key=run.info.run_key,
        git_commit=run.info.git_commit,
        created_at=datetime.now(UTC),
    )
