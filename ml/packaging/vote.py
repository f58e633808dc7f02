"""The parts of the served graph behind the members: vote, calibration, embedding."""

from collections.abc import Mapping, Sequence

from ml.packaging.graph_nodes import GraphNodes
from ml.training.projection import Projection

_SMALLEST_PROBABILITY = 1e-12


def add_vote(joint: GraphNodes, weights: Mapping[str, float], temperature: float) -> None:
    """Add `probabilities` = softmax(log(Σ weight × softmax(logits)) / temperature)."""
    shares = []
    for name, weight in weights.items():
        own = joint.add("Softmax", [f"{name}/logits"], f"vote/{name}/softmax", axis=-1)
        factor = joint.constant(f"vote/{name}/weight", weight)
        shares.append(joint.add("Mul", [own, factor], f"vote/{name}/share"))
    mixture = joint.add("Sum", shares, "vote/mixture")
    floor = joint.constant("vote/floor", _SMALLEST_PROBABILITY)
    logits = joint.add("Log", [joint.add("Max", [mixture, floor], "vote/above_zero")], "vote/log")
    scaled = joint.add(
        "Div", [logits, joint.constant("vote/temperature", temperature)], "vote/scaled"
    )
    joint.add("Softmax", [scaled], "probabilities", axis=-1)


def add_embedding(joint: GraphNodes, names: Sequence[str], projection: Projection) -> None:
    """Add `embedding`: the projection of all members' features, in the order of `names`."""
    features = joint.add(
        "Concat", [f"{name}/features" for name in names], "embed/features", axis=-1
    )
    centred = joint.add(
        "Sub", [features, joint.constant("embed/mean", projection.mean)], "embed/centred"
    )
    components = joint.constant("embed/components", projection.components)
    joint.add("MatMul", [centred, components], "embedding")
