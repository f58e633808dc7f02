"""Members, vote, calibration and projection → the one ONNX graph that is served."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import helper
from onnx.compose import add_prefix

from ml.contract.engine import DISAGREEMENT, STOPPED_EARLY
from ml.contract.errors import BundleInvalid
from ml.packaging.adaptive import StopRule, add_adaptive_vote
from ml.packaging.graph import INPUT, MEMBER_OUTPUTS, OPSET
from ml.packaging.graph_nodes import GraphNodes, batch_of
from ml.packaging.overlay import add_overlay, finest_grid
from ml.packaging.vote import add_disagreement, add_embedding, add_vote
from ml.training.projection import Projection

_IR_VERSION = 8


@dataclass(frozen=True, slots=True)
class Voter:
    """A member's graph with its name and its weight in the soft vote."""

    path: Path
    name: str
    weight: float


def compose(
    members: Sequence[Voter],
    *,
    temperature: float,
    projection: Projection | None,
    out: Path,
    stop: StopRule | None = None,
) -> Path:
    """Join members into one graph.

    Input `images` float32 (n, height, width, channels). Outputs: `probabilities` (n, classes) =
    softmax(log(Σ weight × softmax(logits)) / temperature); `embedding` (n, components), the
    projection of all members' features in the order of `members`; `activation_map` (n, rows,
    columns, classes), the weighted sum of the members' maps on the finest of their grids;
    `disagreement` (n,) of the members with their vote, 0 where one answered alone.
    Members of weight 0 are left out; `projection` was fitted without them.

    With `stop` its first member, whatever its weight, may answer alone (`add_adaptive_vote`), and
    `projection` is of its features only. Without a projection there is no embedding: such a graph
    is for comparisons.

    Raises:
        BundleInvalid: no member votes, or members disagree about the input or the classes.
    """
    first = stop.vote.first if stop else None
    asked = [voter for voter in members if voter.weight > 0 or voter.name == first]
    weights = {voter.name: voter.weight for voter in asked if voter.weight > 0}
    if not weights:
        raise BundleInvalid("No member has a vote.", remedy="Fit the ensemble again.")
    models = {voter.name: onnx.load(voter.path) for voter in asked}
    _require_same([_shape(model.graph.input[0])[1:] for model in models.values()], "inputs")
    shapes = {name: _output_shapes(model) for name, model in models.items()}
    _require_same([shape["logits"][1:] for shape in shapes.values()], "numbers of classes")
    maps = {name: shape["activation_map"] for name, shape in shapes.items()}
    grid = finest_grid(maps)
    graphs = {name: _prefixed(model, name).graph for name, model in models.items()}
    (classes,) = next(iter(shapes.values()))["logits"][1:]
    joint = GraphNodes()
    if stop is None:
        for graph in graphs.values():
            joint.include(graph)
        add_vote(joint, weights, temperature, "probabilities")
        add_disagreement(joint, weights, "probabilities", classes, DISAGREEMENT)
        add_overlay(joint, weights, maps, grid, "activation_map")
    else:
        add_adaptive_vote(joint, graphs, weights, temperature, maps, grid, stop)
    if projection is not None:
        add_embedding(joint, [first] if first else list(weights), projection)
    outputs = [
        batch_of("probabilities", classes),
        *([batch_of("embedding", projection.components.shape[1])] if projection else []),
        batch_of("activation_map", *grid, classes),
        batch_of(DISAGREEMENT),
        *([batch_of(STOPPED_EARLY)] if stop else []),
    ]
    given = _shape(next(iter(models.values())).graph.input[0])[1:]
    composed = helper.make_model(
        helper.make_graph(
            joint.nodes, "vigie", [batch_of(INPUT, *given)], outputs, joint.constants
        ),
        opset_imports=_opsets(models.values()),
        ir_version=_IR_VERSION,
        producer_name="vigie",
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


def _opsets(models: Iterable[onnx.ModelProto]) -> list[onnx.OperatorSetIdProto]:
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


def _require_same(values: Sequence[object], what: str) -> None:
    if len(set(values)) > 1:
        raise BundleInvalid(
            f"The members have different {what}: {values}.", remedy="Export them from one run."
        )
