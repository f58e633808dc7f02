"""A real sealed bundle whose model is a formula: small enough to build in a test.

The image's mean m (−1 black … 1 white) sets the logits: `normal` −4m, `benign` 1, `malignant` 4m,
each plus its bias. So a black image is normal, a mid-grey one benign, a white one malignant, and
the mean of the activation map over its positions is the logits, as in the trained models.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import pandas as pd
from onnx import TensorProto, helper, numpy_helper

from ml.contract.bundle import (
    CARD_FILE,
    GOLDEN_FILE,
    MODEL_FILE,
    REFERENCE_FILE,
    AdaptiveVote,
    InputSpec,
    seal_bundle,
)
from ml.contract.decision import DecisionPolicy, choose_labels
from ml.contract.engine import OUTPUTS, STOPPED_EARLY, ModelOutputs
from ml.contract.preprocessing import PREPROCESSING_VERSION, to_grid, to_input
from ml.contract.quality import measure
from ml.packaging.reference import reference_frame
from tests.fakes.one_member import bundle_of_one_member

LABELS = ("normal", "benign", "malignant")
SIDE = 32
_SLOPES = (-4.0, 0.0, 4.0)
_BIASES = (0.0, 1.0, 0.0)
_POOLED = 8  # the activation map has SIDE / _POOLED positions a side

POLICY = DecisionPolicy(
    critical_label="malignant",
    critical_threshold=0.5,
    refer_below=0.4,
    refer_margin=0.02,
    outlier_distance=6.0,
    quality_bounds={"contrast": (5.0, 255.0)},
)


def write_tiny_bundle(
    folder: Path,
    *,
    label_bias: Mapping[str, float] | None = None,
    name: str = "vigie",
    run_key: str = "tiny-1",
    dataset_id: str = "d" * 64,
    policy: DecisionPolicy = POLICY,
    golden_offset: float = 0.0,
    preprocessing_version: int = PREPROCESSING_VERSION,
    work: int = 0,
    alone_up_to: float | None = None,
    reference_images: int = 120,
    seed: int = 20,
) -> Path:
    """Write a sealed bundle into `folder` and return it. The same arguments give the same bytes.

    Args:
        label_bias: added to the logits by label; {"malignant": 100} always answers malignant and
            NaN makes a model that answers with no number.
        run_key: told apart in `bundle.json`, so another value gives another identity.
        golden_offset: added to the golden probabilities; not 0 makes a bundle that fails replay.
        work: extra matrix products per image that change no answer; 100 take some milliseconds.
        alone_up_to: makes the vote adaptive: images with this mean at most count as answered by
            one member.
        reference_images: rows of `reference.parquet`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(_model(dict(label_bias or {}), work, alone_up_to), folder / MODEL_FILE)
    session = ort.InferenceSession(folder / MODEL_FILE, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(seed)
    _write_golden(folder / GOLDEN_FILE, session, rng, golden_offset)
    _write_reference(folder / REFERENCE_FILE, session, rng, reference_images, policy)
    (folder / CARD_FILE).write_text("# Tiny model\n\nA formula over grey levels, for tests.\n")
    seal_bundle(
        folder,
        bundle_of_one_member(
            "formula",
            SIDE,
            list(LABELS),
            policy,
            name=name,
            preprocessing_version=preprocessing_version,
            adaptive=None
            if alone_up_to is None
            else AdaptiveVote(
                first="formula", temperature=1, critical_ceiling=0.1, confidence=0.9, stopped=0.5
            ),
            dataset_id=dataset_id,
            run_key=run_key,
        ),
    )
    return folder


def tiny_pixels(
    level: int = 128, *, height: int = 48, width: int = 64, noise: int = 20, seed: int = 0
) -> npt.NDArray[np.uint8]:
    """A grey image around `level` (0 normal … 128 benign … 255 malignant), with speckle."""
    speckle = np.random.default_rng(seed).integers(-noise, noise + 1, (height, width))
    return np.clip(level + speckle, 0, 255).astype(np.uint8)


def _model(label_bias: dict[str, float], work: int, alone_up_to: float | None) -> onnx.ModelProto:
    bases = zip(LABELS, _BIASES, strict=True)
    biases = [base + label_bias.get(label, 0.0) for label, base in bases]
    side = SIDE // _POOLED
    nodes = [
        helper.make_node("Transpose", ["images"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node(
            "AveragePool", ["nchw"], ["pooled"], kernel_shape=[_POOLED] * 2, strides=[_POOLED] * 2
        ),
        helper.make_node("Transpose", ["pooled"], ["positions"], perm=[0, 2, 3, 1]),
        helper.make_node("Mul", ["positions", "slopes"], ["sloped"]),
        helper.make_node("Add", ["sloped", "biases"], ["activation_map"]),
        helper.make_node("ReduceMean", ["activation_map"], ["logits"], axes=[1, 2], keepdims=0),
        helper.make_node("Softmax", ["logits"], ["formula"], axis=1),
        helper.make_node("Flatten", ["pooled"], ["embedded"], axis=1),
        helper.make_node("MatMul", ["embedded", "projection"], ["embedding"]),
        *_work_nodes(work),
        *_alone_nodes(alone_up_to),
    ]
    initializers = {
        "slopes": np.array(_SLOPES, np.float32),
        "biases": np.array(biases, np.float32),
        "projection": np.random.default_rng(1).normal(0, 0.5, (side * side, 4)).astype(np.float32),
        "dense": np.full((SIDE * SIDE, SIDE * SIDE), 1e-6, np.float32),
        "zero": np.zeros((), np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", SIDE, SIDE, 1])],
        [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", len(LABELS)]),
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", 4]),
            helper.make_tensor_value_info(
                "activation_map", TensorProto.FLOAT, ["n", side, side, len(LABELS)]
            ),
            *(
                []
                if alone_up_to is None
                else [helper.make_tensor_value_info(STOPPED_EARLY, TensorProto.FLOAT, ["n"])]
            ),
        ],
        [
            numpy_helper.from_array(values, key)
            for key, values in initializers.items()
            if work or key not in ("dense", "zero")
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def _alone_nodes(alone_up_to: float | None) -> list[onnx.NodeProto]:
    if alone_up_to is None:
        return []
    bound = helper.make_tensor("", TensorProto.FLOAT, [], [alone_up_to])
    return [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Constant", [], ["bound"], value=bound),
        helper.make_node("LessOrEqual", ["mean", "bound"], ["alone"]),
        helper.make_node("Cast", ["alone"], [STOPPED_EARLY], to=TensorProto.FLOAT),
    ]


def _work_nodes(work: int) -> list[onnx.NodeProto]:
    """A chain of products whose result is multiplied by zero before it joins the answer."""
    if not work:
        return [helper.make_node("Identity", ["formula"], ["probabilities"])]
    chain = [
        helper.make_node("MatMul", [f"work{step}", "dense"], [f"work{step + 1}"])
        for step in range(work)
    ]
    return [
        helper.make_node("Flatten", ["images"], ["work0"], axis=1),
        *chain,
        helper.make_node("ReduceMean", [f"work{work}"], ["burnt"], axes=[1], keepdims=1),
        helper.make_node("Mul", ["burnt", "zero"], ["nothing"]),
        helper.make_node("Add", ["formula", "nothing"], ["probabilities"]),
    ]


def _write_golden(
    path: Path, session: ort.InferenceSession, rng: np.random.Generator, offset: float
) -> None:
    inputs = rng.uniform(-1, 1, (4, SIDE, SIDE, 1)).astype(np.float32)
    probabilities, embedding, activation_map = session.run(OUTPUTS, {"images": inputs})
    np.savez(
        path,
        inputs=inputs,
        probabilities=np.nan_to_num(probabilities) + np.float32(offset),
        embedding=embedding,
        activation_map=activation_map,
    )


def _write_reference(
    path: Path,
    session: ort.InferenceSession,
    rng: np.random.Generator,
    images: int,
    policy: DecisionPolicy,
) -> None:
    spec = InputSpec(height=SIDE, width=SIDE, channels=1)
    pictures = [tiny_pixels(int(rng.integers(30, 226)), seed=index) for index in range(images)]
    inputs = np.stack([to_input(to_grid(pixels, spec)) for pixels in pictures])
    answers = dict(zip(OUTPUTS, session.run(OUTPUTS, {"images": inputs}), strict=True))
    outputs = ModelOutputs.of(answers | {"probabilities": np.nan_to_num(answers["probabilities"])})
    rows = pd.DataFrame([measure(pixels).model_dump() for pixels in pictures])
    # The formula is taken at its word: what it answers is the truth.
    truth = choose_labels(outputs.probabilities, LABELS, policy)
    facts = pd.DataFrame(
        {
            "image_id": [f"{index:064x}" for index in range(images)],
            "label": np.array(LABELS)[truth],
            "site": None,
            "scanner": None,
            "group": range(images),
        }
    )
    reference_frame(
        pd.concat([facts, rows], axis=1),
        outputs,
        projection_rows=range(images // 3),
        label_names=LABELS,
        policy=policy,
    ).to_parquet(path, index=False)
