"""Build the bundle beside its place, prove that it opens, and only then put it there."""

import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.contract.bundle import (
    CARD_FILE,
    GOLDEN_FILE,
    MODEL_FILE,
    REFERENCE_FILE,
    Bundle,
    seal_bundle,
)
from ml.contract.engine import OUTPUTS, STOPPED_EARLY, ModelOutputs
from ml.contract.session import ModelSession
from ml.packaging.adaptive import stop_rule
from ml.packaging.compose import Voter, compose
from ml.packaging.graph import open_graph, run_graph
from ml.packaging.reference import reference_frame
from ml.packaging.results import BundleInfo
from ml.training.projection import Projection

logger = logging.getLogger(__name__)

_GOLDEN_INPUTS = 8


def seal(
    folder: Path,
    *,
    bundle: Bundle,
    members: Sequence[Voter],
    projection: Projection,
    projection_rows: Sequence[int],
    validation_rows: pd.DataFrame,
    validation_inputs: npt.NDArray[np.float32],
    card: str,
) -> BundleInfo:
    """Compose, record golden answers and drift reference, seal, open once, move into place.

    Args:
        folder: where the bundle appears, complete or not at all; an older one is replaced.
        bundle: everything `bundle.json` says except the files.
        members: in the order in which `projection` takes their features.
        projection_rows: positions of validation images that fitted the projection.
        validation_rows: see `reference_frame`.
        validation_inputs: the same images as the model takes them, float32.
        card: the model card, Markdown.

    Raises:
        BundleInvalid: the graph cannot be composed or does not reproduce its answers.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    try:
        model = compose(
            members,
            temperature=bundle.temperature,
            projection=projection,
            out=staging / MODEL_FILE,
            stop=stop_rule(bundle),
        )
        names = (*OUTPUTS, STOPPED_EARLY) if bundle.adaptive else OUTPUTS
        outputs = ModelOutputs.of(run_graph(open_graph(model), validation_inputs, names))
        golden = golden_positions(outputs.probabilities)
        np.savez(
            staging / GOLDEN_FILE,
            inputs=validation_inputs[golden],
            probabilities=outputs.probabilities[golden],
        )
        reference = reference_frame(
            validation_rows,
            outputs,
            projection_rows=projection_rows,
            label_names=bundle.labels,
            policy=bundle.policy,
        )
        reference.to_parquet(staging / REFERENCE_FILE, index=False)
        (staging / CARD_FILE).write_text(card)
        sha256 = seal_bundle(staging, bundle)
        ModelSession.open(staging, expected_sha256=sha256)
        shutil.rmtree(folder, ignore_errors=True)
        staging.replace(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    logger.info("Sealed bundle %s.", sha256[:12])
    return BundleInfo(
        folder=str(folder),
        sha256=sha256,
        bytes=sum(file.stat().st_size for file in folder.iterdir()),
        labels=bundle.labels,
        members={member.name: member.precision for member in bundle.members},
        reference_images=len(reference),
        baseline_images=int((reference["role"] == "baseline").sum()),
    )


def golden_positions(probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Up to 8 images that span the answers: evenly spaced in the order of the first label's."""
    order = np.argsort(probabilities[:, 0], kind="stable")
    count = min(_GOLDEN_INPUTS, len(order))
    return order[np.linspace(0, len(order) - 1, count).round().astype(np.int64)]
