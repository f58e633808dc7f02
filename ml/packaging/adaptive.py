"""The served graph of an adaptive vote: the other members run only where they are needed.

A cascade as of Viola & Jones (CVPR 2001), inside the graph: every engine runs it, evaluation and
server the same one. Within one batch all members run as soon as one image needs them; which answer
an image gets depends on that image alone. Close to a threshold engines may part, as they may
anywhere; see docs/adr/0010-adaptive-vote.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper

from ml.contract.bundle import AdaptiveVote, Bundle
from ml.contract.engine import DISAGREEMENT, STOPPED_EARLY
from ml.packaging.graph_nodes import GraphNodes, batch_of
from ml.packaging.overlay import Grid, add_overlay
from ml.packaging.vote import add_disagreement, add_vote

_ALONE, _ALL = "first", "all"


@dataclass(frozen=True, slots=True)
class StopRule:
    """When the first member answers alone; `critical` is the position of the critical label."""

    vote: AdaptiveVote
    critical: int


def stop_rule(bundle: Bundle) -> StopRule | None:
    """The rule that a bundle describes, None where all members always run."""
    if bundle.adaptive is None:
        return None
    return StopRule(bundle.adaptive, bundle.labels.index(bundle.policy.critical_label))


def add_adaptive_vote(
    joint: GraphNodes,
    graphs: Mapping[str, onnx.GraphProto],
    weights: Mapping[str, float],
    temperature: float,
    maps: Mapping[str, tuple[int, ...]],
    grid: Grid,
    rule: StopRule,
) -> None:
    """Add `probabilities`, `activation_map`, `disagreement` and `stopped_early`, with all members.

    Args:
        graphs: by member, the first among them.
        weights: of those who vote where all are asked; the first need not be among them.
        temperature: of the vote of all.
        maps: shape (n, rows, columns, classes) of each member's map.
        grid: rows and columns of the map that comes out.
    """
    first, classes = rule.vote.first, next(iter(maps.values()))[3]
    joint.include(graphs[first])
    alone = (
        add_vote(joint, {first: 1.0}, rule.vote.temperature, f"{_ALONE}/probabilities"),
        add_overlay(joint, {first: 1.0}, maps, grid, f"{_ALONE}/activation_map"),
        add_disagreement(
            joint, {first: 1.0}, f"{_ALONE}/probabilities", classes, f"{_ALONE}/disagreement"
        ),
    )
    stops = _add_stop(joint, alone[0], classes, rule)

    rest = GraphNodes()
    for name, graph in graphs.items():
        if name != first:
            rest.include(graph)
    together = (
        add_vote(rest, weights, temperature, f"{_ALL}/probabilities"),
        add_overlay(rest, weights, maps, grid, f"{_ALL}/activation_map"),
        add_disagreement(rest, weights, f"{_ALL}/probabilities", classes, f"{_ALL}/disagreement"),
    )
    shapes: tuple[tuple[int, ...], ...] = ((classes,), (*grid, classes), ())
    spared = GraphNodes()
    unchanged = [spared.add("Identity", [value], f"{value}/again") for value in alone]
    voted = ("vote/probabilities", "vote/activation_map", "vote/disagreement")
    joint.nodes.append(
        helper.make_node(
            "If",
            [_add_any(joint, stops)],
            voted,
            name="vote",
            then_branch=_branch("all_members", rest, together, shapes),
            else_branch=_branch("first_member", spared, unchanged, shapes),
        )
    )
    joint.add("Where", [stops, alone[0], voted[0]], "probabilities")
    axes = joint.constant("stop/map_axes", [2, 3], np.int64)
    by_map = joint.add("Unsqueeze", [stops, axes], "stop/by_map")
    joint.add("Where", [by_map, alone[1], voted[1]], "activation_map")
    column = joint.constant("stop/column", [1], np.int64)
    by_image = joint.add("Squeeze", [stops, column], "stop/by_image")
    joint.add("Cast", [by_image], STOPPED_EARLY, to=TensorProto.FLOAT)
    joint.add("Where", [by_image, alone[2], voted[2]], DISAGREEMENT)


def _add_stop(joint: GraphNodes, probabilities: str, classes: int, rule: StopRule) -> str:
    """Whether the first member answers alone, bool (n, 1)."""
    others = [label for label in range(classes) if label != rule.critical]

    def of(labels: list[int], what: str) -> str:
        chosen = joint.constant(f"stop/{what}/labels", labels, np.int64)
        return joint.add("Gather", [probabilities, chosen], f"stop/{what}", axis=1)

    ceiling = joint.constant("stop/critical_ceiling", rule.vote.critical_ceiling)
    confidence = joint.constant("stop/confidence", rule.vote.confidence)
    calm = joint.add("LessOrEqual", [of([rule.critical], "critical"), ceiling], "stop/calm")
    best = joint.add("ReduceMax", [of(others, "others")], "stop/best", axes=[1], keepdims=1)
    sure = joint.add("GreaterOrEqual", [best, confidence], "stop/sure")
    return joint.add("And", [calm, sure], "stop")


def _add_any(joint: GraphNodes, stops: str) -> str:
    """Whether any image needs all members, one bool; none does where there is no image."""
    needs = joint.add("Not", [stops], "stop/needs")
    counted = joint.add("Cast", [needs], "stop/counted", to=TensorProto.FLOAT)
    number = joint.add("ReduceSum", [counted], "stop/number", keepdims=0)
    return joint.add("Cast", [number], "stop/any", to=TensorProto.BOOL)


def _branch(
    name: str, parts: GraphNodes, values: tuple[str, ...] | list[str], shapes: tuple[tuple, ...]
) -> onnx.GraphProto:
    outputs = [batch_of(value, *shape) for value, shape in zip(values, shapes, strict=True)]
    return helper.make_graph(parts.nodes, name, [], outputs, parts.constants)
