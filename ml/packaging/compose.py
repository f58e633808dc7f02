"""Members, vote, calibration and projection → the one ONNX graph that is served."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import TensorProto, helper
from onnx.compose import add_prefix

from ml.contract.errors import BundleInvalid
from ml.packaging.export import BATCH_DIMENSION
from ml.packaging.graph import INPUT, MEMBER_OUTPUTS, OPSET
from ml.packaging.graph_nodes import GraphNodes
from ml.packaging.overlay import add_overlay
from ml.packaging.vote import add_embedding, add_vote
from ml.training.projection import Projection

_IR_VERSION = 8


@dataclass(frozen=True, slots=True)
class Voter:
    """A member's graph with its name and its weight in the soft vote."""

    path: Path
    name: str
    weight: float


def compose(
    members: Sequence[Voter], *, temperature: float, projection: Projection, out: Path
) -> Path:
    """Join members into one graph.

    Input `images` float32 (n, height, width, channels). Outputs: `probabilities` (n, classes) =
    softmax(log(Σ weight × softmax(logits)) / temperature); `embedding` (n, components), the
    projection of all members' features in the order of `members`; `activation_map` (n, rows,
    columns, classes), the weighted sum of the members' maps on the finest of their grids.
    Members of weight 0 are left out; `projection` was fitted without them.

    Raises:
        BundleInvalid: no member votes, or members disagree about the input or the classes.
    """
    models = [(voter, onnx.load(voter.path)) for voter in members if voter.weight > 0]
    if not models:
        raise BundleInvalid("No member has a vote.", remedy="Fit the ensemble again.")
    _require_same([_shape(model.graph.input[0])[1:] for _, model in models], "inputs")
    shapes = [_output_shapes(model) for _, model in models]
    _require_same([shape["logits"][1:] for shape in shapes], "numbers of classes")
    joint = GraphNodes()
    prefixed = [_prefixed(model, voter.name) for voter, model in models]
    weights = {voter.name: voter.weight for voter, _ in models}
    add_vote(joint, weights, temperature)
    add_embedding(joint, list(weights), projection)
    maps = {name: shape["activation_map"] for name, shape in zip(weights, shapes, strict=True)}
    grid = add_overlay(joint, weights, maps)
    classes = shapes[0]["logits"][1]
    height, width, channels = _shape(models[0][1].graph.input[0])[1:]
    components = projection.components.shape[1]
    graph = helper.make_graph(
        [node for model in prefixed for node in model.graph.node] + joint.nodes,
        "vigie",
        [_value(INPUT, height, width, channels)],
        [
            _value("probabilities", classes),
            _value("embedding", components),
            _value("activation_map", *grid, classes),
        ],
        [constant for model in prefixed for constant in model.graph.initializer] + joint.constants,
    )
    composed = helper.make_model(
        graph, opset_imports=_opsets(prefixed), ir_version=_IR_VERSION, producer_name="vigie"
    )
    onnx.checker.check_model(composed)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}.{os.getpid()}.part")
    onnx.save_model(composed, str(partial))
    partial.replace(out)
    return out


def _prefixed(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """Give every name in the member its prefix, except the input that all share."""
    renamed = add_prefix(model, f"{name}/")
    shared = f"{name}/{INPUT}"
    for node in renamed.graph.node:
        for position, value in enumerate(node.input):
            if value == shared:
                node.input[position] = INPUT
    return renamed


def _opsets(models: Sequence[onnx.ModelProto]) -> list[onnx.OperatorSetIdProto]:
    versions: dict[str, int] = {"": OPSET}
    for model in models:
        for opset in model.opset_import:
            versions[opset.domain] = max(versions.get(opset.domain, 0), opset.version)
    return [helper.make_opsetid(domain, version) for domain, version in versions.items()]


def _output_shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    shapes = {output.name: _shape(output) for output in model.graph.output}
    if set(shapes) != set(MEMBER_OUTPUTS):
        raise BundleInvalid(
            f"A member has outputs {sorted(shapes)}, expected {sorted(MEMBER_OUTPUTS)}.",
            remedy="Export it again.",
        )
    return shapes


def _shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    return tuple(dimension.dim_value for dimension in value.type.tensor_type.shape.dim)


def _value(name: str, *shape: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [BATCH_DIMENSION, *shape])


def _require_same(values: Sequence[object], what: str) -> None:
    if len(set(values)) > 1:
        raise BundleInvalid(
            f"The members have different {what}: {values}.", remedy="Export them from one run."
        )
