"""The parts of the served graph behind the members: vote, disagreement, calibration, embedding."""

from collections.abc import Mapping, Sequence

from ml.packaging.graph_nodes import GraphNodes
from ml.training.projection import Projection
from ml.training.temperature import SMALLEST_PROBABILITY


def add_vote(
    joint: GraphNodes, weights: Mapping[str, float], temperature: float, output: str
) -> str:
    """Add `output` = softmax(log(Σ weight × softmax(logits)) / temperature)."""
    prefix = f"{output}/vote"
    shares = []
    for name, weight in weights.items():
        own = joint.add("Softmax", [f"{name}/logits"], f"{prefix}/{name}/softmax", axis=-1)
        factor = joint.constant(f"{prefix}/{name}/weight", weight)
        shares.append(joint.add("Mul", [own, factor], f"{prefix}/{name}/share"))
    mixture = joint.add("Sum", shares, f"{prefix}/mixture")
    floor = joint.constant(f"{prefix}/floor", SMALLEST_PROBABILITY)
    positive = joint.add("Max", [mixture, floor], f"{prefix}/above_zero")
    logits = joint.add("Log", [positive], f"{prefix}/log")
    divisor = joint.constant(f"{prefix}/temperature", temperature)
    scaled = joint.add("Div", [logits, divisor], f"{prefix}/scaled")
    return joint.add("Softmax", [scaled], output, axis=-1)


def add_disagreement(
    joint: GraphNodes, weights: Mapping[str, float], voted: str, classes: int, output: str
) -> str:
    """Add `output` (n,) = Σ weight × ½ Σ |softmax(logits) − mixture|: the mean total variation
    distance of the members from their vote, before its calibration; 0 where all agree.

    Args:
        voted: what `add_vote` made of the same members.
    """
    prefix = f"{voted}/vote"
    distances = []
    for name, weight in weights.items():
        own, place = f"{prefix}/{name}/softmax", f"{output}/{name}"
        apart = joint.add("Sub", [own, f"{prefix}/mixture"], f"{place}/apart")
        size = joint.add("Abs", [apart], f"{place}/size")
        mean = joint.add("ReduceMean", [size], f"{place}/mean", axes=[1], keepdims=0)
        factor = joint.constant(f"{place}/factor", weight * classes / 2)
        distances.append(joint.add("Mul", [mean, factor], f"{place}/distance"))
    return joint.add("Sum", distances, output)


def add_embedding(joint: GraphNodes, names: Sequence[str], projection: Projection) -> None:
    """Add `embedding`: the projection of these members' features, in their order."""
    features = joint.add(
        "Concat", [f"{name}/features" for name in names], "embed/features", axis=-1
    )
    centred = joint.add(
        "Sub", [features, joint.constant("embed/mean", projection.mean)], "embed/centred"
    )
    components = joint.constant("embed/components", projection.components)
    joint.add("MatMul", [centred, components], "embedding")
