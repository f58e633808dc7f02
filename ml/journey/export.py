"""Stage 6, export: each member to ONNX and int8, then all of them into one sealed bundle."""

import logging
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ml.contract.bundle import Bundle, MemberSpec, bundle_sha256, open_bundle
from ml.contract.errors import BundleInvalid
from ml.contract.preprocessing import PREPROCESSING_VERSION, to_input
from ml.journey.dataset import read_dataset
from ml.journey.ensemble import read_ensemble
from ml.journey.images import grids
from ml.journey.run import Run, tracker_of, write_json
from ml.journey.workspace import Workspace
from ml.packaging.results import BundleInfo, MemberExport
from ml.training.results import MemberResult

log = logging.getLogger(__name__)
_EXPORT = "export.json"


def export_member(workspace: Workspace, run_key: str, member: str) -> MemberExport:
    """Convert a trained member to ONNX, quantize it, and choose the precision that keeps its answers.

    Calibration uses training images, parity validation images, both preprocessed as in serving.
    """
    from ml.packaging.export import export_in_fresh_process
    from ml.packaging.parity import compare
    from ml.packaging.quantize import quantize_member

    run = Run.open(workspace, run_key)
    folder = run.member_export(member)
    if (folder / _EXPORT).is_file():
        return MemberExport.model_validate_json((folder / _EXPORT).read_bytes())
    folder.mkdir(parents=True, exist_ok=True)
    quantization = run.params.quantization
    float_model = export_in_fresh_process(run.member(member), folder / "float.onnx")
    if member in quantization.float_members:
        export = MemberExport(
            member=member, precision="fp32", parity=None, reason="kept in fp32 by params"
        )
    else:
        frame = run.frame(workspace)
        images = grids(workspace, run.params.image.spec, frame)
        train = np.flatnonzero(frame["split"] == "train")
        validation = np.flatnonzero(frame["split"] == "validation")
        chosen = np.random.default_rng(run.params.training.seed).permutation(train)
        sample = np.sort(chosen[: quantization.calibration_images])
        int8_model = quantize_member(
            float_model, to_input(images[sample]), folder / "int8.onnx", params=quantization
        )
        parity = compare(float_model, int8_model, to_input(images[validation]))
        keeps = parity.flip_rate <= quantization.max_flip_rate
        export = MemberExport(
            member=member,
            precision="int8" if keeps else "fp32",
            parity=parity,
            reason=(
                f"int8 changes {parity.flip_rate:.1%} of labels "
                f"({'at most' if keeps else 'more than'} {quantization.max_flip_rate:.1%} allowed)"
            ),
        )
    write_json(folder / _EXPORT, export.model_dump(mode="json"))
    tracker = tracker_of(workspace)
    tracker.log(
        run.member_run(tracker, member),
        tags={"vigie.precision": export.precision, "vigie.precision.reason": export.reason},
    )
    log.info("%s: %s, %s.", member, export.precision, export.reason)
    return export


def seal(workspace: Workspace, run_key: str) -> BundleInfo:
    """Compose the members into one graph and seal the bundle. A sealed bundle is never rebuilt."""
    from ml.packaging.compose import compose
    from ml.packaging.seal import seal_run

    run = Run.open(workspace, run_key)
    try:
        bundle = open_bundle(run.bundle)
    except BundleInvalid:
        shutil.rmtree(run.bundle, ignore_errors=True)
    else:
        return _bundle_info(run, bundle)
    definition, projection = read_ensemble(run)
    exports = {name: export_member(workspace, run_key, name) for name in definition.members}
    frame = run.frame(workspace)
    validation = frame[frame["split"] == "validation"]
    images = grids(workspace, run.params.image.spec, frame)
    run.float_model.parent.mkdir(parents=True, exist_ok=True)
    compose(
        [
            (run.member_export(name) / "float.onnx", name, weight)
            for name, weight in definition.members.items()
        ],
        temperature=definition.temperature,
        projection=projection,
        out=run.float_model,
    )
    bundle = seal_run(
        run.bundle,
        members=[
            (_model_file(run, exports[name]), name, weight)
            for name, weight in definition.members.items()
        ],
        bundle=_describe(run, exports),
        projection=projection,
        projection_rows=definition.projection_rows,
        images=images[(frame["split"] == "validation").to_numpy()],
        frame=validation,
        card=_card(workspace, run, exports),
    )
    info = _bundle_info(run, bundle)
    log.info(
        "Sealed bundle %s, %.1f MB (%s).",
        info.bundle_sha256[:12],
        info.megabytes,
        ", ".join(f"{member.name} {member.precision}" for member in bundle.members),
    )
    return info


def _model_file(run: Run, export: MemberExport) -> Path:
    name = "int8.onnx" if export.precision == "int8" else "float.onnx"
    return run.member_export(export.member) / name


def _describe(run: Run, exports: dict[str, MemberExport]) -> Bundle:
    from ml.packaging.quantize import quantization_spec

    definition, _ = read_ensemble(run)
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
                architecture=_member_result(run, name).architecture,
                weight=weight,
                precision=exports[name].precision,
                flip_rate=parity.flip_rate if (parity := exports[name].parity) else 0.0,
            )
            for name, weight in definition.members.items()
        ],
        quantization=quantization_spec(run.params.quantization),
        dataset_id=run.info.dataset_id,
        run_key=run.info.run_key,
        git_commit=run.info.git_commit,
        created_at=datetime.now(UTC),
    )


def _card(workspace: Workspace, run: Run, exports: dict[str, MemberExport]) -> str:
    from ml.evaluation.model_card import CardFacts, MemberFacts, render_card

    definition, _ = read_ensemble(run)
    dataset = read_dataset(workspace, run.info.dataset_id)
    return render_card(
        CardFacts(
            run_key=run.info.run_key,
            reason=run.info.reason,
            git_commit=run.info.git_commit,
            dataset_id=dataset.dataset_id,
            per_class=dataset.per_class,
            per_split=dataset.per_split,
            groups=dataset.groups,
            initialisation=run.info.initialisation,
            members=[
                MemberFacts(
                    name=name,
                    weight=weight,
                    precision=exports[name].precision,
                    reason=exports[name].reason,
                    epochs=_member_result(run, name).epochs,
                    validation=_member_result(run, name).validation,
                )
                for name, weight in definition.members.items()
            ],
            temperature=definition.temperature,
            policy=definition.policy,
        )
    )


def _member_result(run: Run, name: str) -> MemberResult:
    return MemberResult.model_validate_json((run.member(name) / "member.json").read_bytes())


def _bundle_info(run: Run, bundle: Bundle) -> BundleInfo:
    size = sum(path.stat().st_size for path in run.bundle.iterdir())
    return BundleInfo(
        run_key=bundle.run_key,
        folder=str(run.bundle),
        bundle_sha256=bundle_sha256(run.bundle),
        megabytes=round(size / 2**20, 1),
        members={member.name: member.precision for member in bundle.members},
    )
