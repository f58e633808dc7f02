"""Real bundles with random weights, by the project's own packaging: for speed, not for answers.

Made once per folder: exporting three networks from Keras costs minutes.
"""

import concurrent.futures
import dataclasses
import io
import multiprocessing
import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
from PIL import Image

from ml.contract.bundle import (
    BUNDLE_FILE,
    Bundle,
    InputSpec,
    MemberSpec,
    QuantizationSpec,
    open_bundle,
)
from ml.contract.decision import DecisionPolicy
from ml.contract.preprocessing import PREPROCESSING_VERSION, to_grid, to_input
from ml.contract.quality import measure
from ml.data.phantoms import LABELS, SCANNERS, render_phantom

ROOT = Path(__file__).resolve().parents[1]
ENSEMBLE = ("resnet50", "inceptionv3", "efficientnetb0")
_IMAGES, _CALIBRATION = 40, 16
_TRAINING_PASSES = 5

_Result = TypeVar("_Result")


def in_own_process(work: Callable[..., _Result], *arguments: object) -> _Result:
    """Run a function in a fresh process, whose memory and threads end with it."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(work, *arguments).result()


def phantom_files(count: int, side: int, *, seed: int = 20) -> list[bytes]:
    """JPEG files of square phantoms."""
    return [_jpeg(pixels) for pixels in _phantoms(count, side, seed)]


def files_of(folder: Path, count: int, side: int) -> list[bytes]:
    """The first images below `folder`, resized to squares, as JPEG."""
    kinds = {".png", ".jpg", ".jpeg"}
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in kinds)
    if not paths:
        raise SystemExit(f"{folder} holds no PNG or JPEG file")
    return [
        _jpeg(np.asarray(Image.open(path).convert("L").resize((side, side))))
        for path in paths[:count]
    ]


def ensure_bundle(
    folder: Path, members: Sequence[str], side: int, *, seed: int, int8: bool = True
) -> Path:
    """The bundle in `folder`; made now unless it is there and this code can read it."""
    is_made = (folder / BUNDLE_FILE).is_file()
    if is_made and open_bundle(folder).preprocessing_version == PREPROCESSING_VERSION:
        return folder
    print(f"making a bundle of {', '.join(members)} at {side} px", flush=True)
    in_own_process(_make, folder, tuple(members), side, seed, int8)
    return folder


def _make(folder: Path, members: Sequence[str], side: int, seed: int, int8: bool) -> None:
    import keras

    from ml.packaging.compose import Voter
    from ml.packaging.cpu import cpu_features, cpu_model, saturates_int8
    from ml.packaging.graph import open_graph, run_graph
    from ml.packaging.quantize import quantize_member
    from ml.packaging.seal import seal
    from ml.params import load_params
    from ml.training.projection import fit_projection

    keras.utils.set_random_seed(seed)
    spec = InputSpec(height=side, width=side, channels=1)
    params = load_params(ROOT / "params.toml", profile="standard").quantization
    pixels = _phantoms(_IMAGES, 2 * side, seed)
    inputs = to_input(np.stack([to_grid(image, spec) for image in pixels]))
    calibration, validation = inputs[:_CALIBRATION], inputs[_CALIBRATION:]
    work = folder.with_name(f".{folder.name}.work")
    voters, features, specs = [], [], []
    for name in members:
        float_onnx = _float_graph(work / name, name, spec, calibration)
        served = float_onnx
        if int8 and name not in params.float_members:
            served = quantize_member(
                float_onnx, calibration, work / name / "int8.onnx", setting=params.candidates[0]
            )
        features.append(run_graph(open_graph(float_onnx), validation, ["features"])["features"])
        weight = 1 / len(members)
        voters.append(Voter(served, name, weight))
        precision = "fp32" if served == float_onnx else "int8"
        specs.append(
            MemberSpec(
                name=name, architecture=name, weight=weight, precision=precision, flip_rate=0
            )
        )
    policy = DecisionPolicy(
        critical_label="malignant",
        critical_threshold=0.5,
        refer_below=0.4,
        refer_margin=0.02,
        outlier_distance=6.0,
    )
    bundle = Bundle(
        name="vigie",
        labels=list(LABELS),
        input=spec,
        preprocessing_version=PREPROCESSING_VERSION,
        temperature=1.0,
        policy=policy,
        members=specs,
        quantization=QuantizationSpec(
            calibration_method="minmax",
            calibration_images=len(calibration),
            per_channel=True,
            reduce_range=saturates_int8(),
            cpu_model=cpu_model(),
            cpu_features=cpu_features(),
        ),
        dataset_id="0" * 64,
        run_key=f"benchmark-{seed}",
        git_commit="0" * 40,
        created_at=datetime.now(UTC),
    )
    seal(
        folder,
        bundle=bundle,
        members=voters,
        projection=fit_projection(features, 16),
        projection_rows=range(len(validation) // 2),
        validation_rows=_rows(pixels[_CALIBRATION:]),
        validation_inputs=validation,
        card="# Random weights\n\nFor benchmarks.\n",
    )
    shutil.rmtree(work)


def _float_graph(folder: Path, name: str, spec: InputSpec, images: np.ndarray) -> Path:
    from ml.packaging.export import export_in_fresh_process
    from ml.training.checkpoint import weights_digest, write_member
    from ml.training.initialisation import build_member
    from ml.training.member_files import MemberOutputs
    from ml.training.results import MemberResult, ValidationScores

    model = build_member(name, spec, len(LABELS), initialisation="random", dropout=0.1, l2=1e-4)
    for _ in range(_TRAINING_PASSES):
        model(images, training=True)  # the running statistics of batch normalisation
    outputs = model(images, training=False)
    result = MemberResult(
        member=name,
        architecture=name,
        fingerprint="benchmark",
        labels=list(LABELS),
        input=spec,
        dropout=0.1,
        l2=1e-4,
        initialisation="random",
        epochs=0,
        best_epoch=0,
        seconds=0,
        threads=1,
        weights_sha256=weights_digest(model),
        validation=ValidationScores(log_loss=0, accuracy=0, macro_f1=0),
        history=[],
    )
    validation = MemberOutputs(outputs["logits"].numpy(), outputs["features"].numpy())
    write_member(folder, model, validation, result)
    return export_in_fresh_process(folder, folder / "float.onnx")


def _phantoms(count: int, side: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    squares = [
        dataclasses.replace(scanner, height=(side, side), width=(side, side))
        for scanner in SCANNERS
    ]
    return [
        render_phantom(LABELS[number % len(LABELS)], rng, squares[number % len(squares)])
        for number in range(count)
    ]


def _jpeg(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()


def _rows(pixels: Sequence[np.ndarray]) -> pd.DataFrame:
    facts = {"site": "benchmark", "scanner": None}
    return pd.DataFrame(
        [
            {"image_id": f"{number:064d}", "label": LABELS[number % len(LABELS)], **facts}
            | {"group": number}
            | measure(image).model_dump()
            for number, image in enumerate(pixels)
        ]
    )
