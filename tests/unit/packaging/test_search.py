import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from ml.packaging.float_nodes import float_nodes
from ml.packaging.parity import compare
from ml.packaging.results import Candidate, Parity
from ml.packaging.search import Judged, chosen, search, search_table
from ml.params import QuantizationParams, QuantizationSetting
from tests.unit.packaging.small_member import noise, write_small_member

MINMAX = QuantizationSetting(calibration="minmax", activations="asymmetric", float_nodes="none")
PARAMS = QuantizationParams(
    calibration_images=16,
    candidates=[MINMAX, MINMAX.model_copy(update={"calibration": "percentile"})],
    float_members=[],
    max_flip_rate=1.0,
    max_critical_loss=1.0,
    min_saving=-1000.0,
)
JUDGED = Judged(noise(30, seed=5), np.arange(30) % 3, critical=2)


def candidate(cpu_ms: float, *failing: str, setting: str = "minmax") -> Candidate:
    parity = Parity(
        images=10, flip_rate=0, critical_loss=0, max_difference=0.1, mean_difference=0.01
    )
    return Candidate(
        setting=setting,
        parity=parity,
        cpu_ms=cpu_ms,
        float_cpu_ms=10,
        seconds=1,
        failing=list(failing),
    )


@given(st.lists(st.tuples(st.floats(0.1, 50), st.booleans()), max_size=8))
def test_the_cheapest_that_fails_nothing_is_chosen(costs):
    rows = [candidate(ms, *(["too slow"] if bad else [])) for ms, bad in costs]
    best = chosen(rows)
    good = [row.cpu_ms for row in rows if not row.failing]
    assert (best.cpu_ms if best else None) == min(good, default=None)


def test_the_table_names_what_was_chosen_and_why_others_were_not():
    rows = [candidate(9.0, "takes 90% of it", setting="entropy"), candidate(4.0)]
    table = search_table("resnet50", rows, "int8 pays")
    assert "| entropy | 0.00% | 0.00% | 9.00 | 10.00 | 0.90 | takes 90% of it |" in table
    assert "| minmax | 0.00% | 0.00% | 4.00 | 10.00 | 0.40 | **chosen** |" in table


@pytest.fixture
def member(tmp_path):
    return write_small_member(tmp_path / "member.onnx", seed=1, width=8)


def run(member, out, **changes):
    params = PARAMS.model_copy(update=changes)
    return search(member, out, calibration_inputs=noise(20), judged=JUDGED, params=params)


def test_the_graph_that_is_left_is_the_chosen_one(tmp_path, member):
    out = tmp_path / "int8.onnx"
    rows = run(member, out)
    parity = compare(member, out, JUDGED.inputs, labels=JUDGED.labels, critical=2)
    assert [row.setting for row in rows] == ["minmax, asymmetric", "percentile, asymmetric"]
    assert parity == chosen(rows).parity
    assert rows[0].parity.mean_difference != rows[1].parity.mean_difference


@pytest.mark.parametrize("limit", [{"min_saving": 0.9999}, {"max_critical_loss": -1.5}])
def test_no_graph_is_left_where_all_fail(tmp_path, member, limit):
    rows = run(member, tmp_path / "int8.onnx", **limit)
    assert chosen(rows) is None
    assert all(row.failing for row in rows)
    assert [path.name for path in tmp_path.iterdir()] == ["member.onnx"]


def test_an_older_graph_does_not_survive_a_search_in_which_all_fail(tmp_path, member):
    (tmp_path / "int8.onnx").write_bytes(b"of an earlier search")
    run(member, tmp_path / "int8.onnx", min_saving=0.9999)
    assert not (tmp_path / "int8.onnx").exists()


def convolutions() -> onnx.ModelProto:
    def conv(name: str, value: str, weights: str, **attributes: int) -> onnx.NodeProto:
        return helper.make_node("Conv", [value, weights], [f"{name}_out"], name=name, **attributes)

    nodes = [
        conv("stem", "images", "w"),
        conv("depthwise", "stem_out", "d", group=4),
        helper.make_node("GlobalAveragePool", ["depthwise_out"], ["pooled"]),
        conv("squeeze", "pooled", "w"),
        helper.make_node("Relu", ["squeeze_out"], ["positive"]),
        conv("excite", "positive", "w"),
        helper.make_node("Sigmoid", ["excite_out"], ["gate"]),
        helper.make_node("Mul", ["depthwise_out", "gate"], ["scaled"]),
        conv("project", "scaled", "w"),
    ]
    weights = [
        helper.make_tensor(name, TensorProto.FLOAT, [4, inputs, 1, 1], [1.0] * 4 * inputs)
        for name, inputs in (("w", 4), ("d", 1))
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "block",
        [value("images", TensorProto.FLOAT, [1, 4, 8, 8])],
        [value("project_out", TensorProto.FLOAT, [1, 4, 8, 8])],
        weights,
    )
    return helper.make_model(graph)


@pytest.mark.parametrize(
    ("kind", "names"),
    [("none", []), ("depthwise", ["depthwise"]), ("squeeze_excite", ["squeeze", "excite"])],
)
def test_convolutions_left_in_float_are_found_by_what_they_see(kind, names):
    assert float_nodes(convolutions(), kind) == names
