import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ml.contract.bundle import Bundle, open_bundle
from ml.contract.engine import Engine, ModelOutputs
from ml.contract.engine_choice import EngineChoice, choose_engine, mismatch
from ml.contract.errors import EngineUnusable
from tests.fakes.tiny_bundle import LABELS, write_tiny_bundle

POSITIONS = 4


class CopyingEngine:
    """Answers what the reference answers, shifted and after a wait; each copy may differ."""

    version = "1"

    def __init__(
        self, name: str = "copy", *, shifts: tuple[float, ...] = (0.0,), seconds: float = 0.0
    ) -> None:
        self.name = name
        self._shifts = shifts
        self._seconds = seconds

    def run(self, batch: np.ndarray) -> ModelOutputs:
        time.sleep(self._seconds)
        return outputs(len(batch), shift=self._shifts[0])

    def run_each(self, batch: np.ndarray) -> Iterator[ModelOutputs]:
        for shift in self._shifts:
            yield outputs(len(batch), shift=shift)


def outputs(count: int, *, shift: float = 0.0) -> ModelOutputs:
    """`count` images from surely normal to surely malignant; `shift` moves towards benign."""
    malignant = np.linspace(0.02, 0.9, count)
    rows = np.stack([0.95 - malignant, np.full(count, 0.05), malignant], axis=1)
    rows += shift * np.array([-1, 1, 0])
    rng = np.random.default_rng(0)
    return ModelOutputs(
        rows.astype(np.float32),
        rng.normal(size=(count, 4)).astype(np.float32),
        rng.normal(size=(count, POSITIONS, POSITIONS, len(LABELS))).astype(np.float32),
        np.zeros(count, np.float32),
        np.full(count, 0.1, np.float32),
    )


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder: Path = write_tiny_bundle(tmp_path_factory.mktemp("bundle"))
    return open_bundle(folder)


GOLDEN = np.zeros((8, 2, 2, 1), np.float32)
SLOW, QUICK = 0.004, 0.0


def choose(setting, bundle, *rivals: Engine, seconds: float = SLOW) -> tuple[Engine, EngineChoice]:
    reference = CopyingEngine("reference", seconds=seconds)
    loads = {rival.name: lambda rival=rival: rival for rival in rivals}
    return choose_engine(setting, reference, loads, GOLDEN, bundle)


def test_the_faster_engine_that_answers_alike_is_chosen(bundle):
    engine, choice = choose("auto", bundle, CopyingEngine("quick", shifts=(0.01,)))
    assert (engine.name, choice.engine) == ("quick", "quick")
    reference, quick = choice.trials
    assert reference.refused == "slower than quick"
    assert quick.refused is None
    assert quick.milliseconds < reference.milliseconds
    assert quick.difference == pytest.approx(0.01, abs=1e-6)


def test_an_engine_that_is_no_faster_leaves_the_reference(bundle):
    engine, choice = choose("auto", bundle, CopyingEngine("slow", seconds=SLOW), seconds=QUICK)
    assert engine.name == "reference"
    assert [trial.refused for trial in choice.trials] == [None, "not 5 % faster than the reference"]


def test_a_faster_engine_that_differs_is_refused_with_its_difference(bundle):
    engine, choice = choose("auto", bundle, CopyingEngine("wrong", shifts=(0.03,)))
    assert engine.name == "reference"
    assert choice.trials[1].difference == pytest.approx(0.03, abs=1e-6)
    assert "differ by 0.03 (allowed 0.02)" in choice.trials[1].refused
    assert "wrong" in choice.sentence()
    assert "allowed 0.02" in choice.sentence()


def test_one_wrong_copy_of_many_refuses_the_engine(bundle):
    engine, _ = choose("auto", bundle, CopyingEngine("racy", shifts=(0.0, 0.0, 0.5)))
    assert engine.name == "reference"


def test_the_next_rival_is_tried_only_where_the_first_is_refused(bundle):
    wrong, alike = CopyingEngine("wrong", shifts=(0.5,)), CopyingEngine("alike")
    assert choose("auto", bundle, wrong, alike)[0].name == "alike"
    _, choice = choose("auto", bundle, alike, wrong)
    assert [trial.engine for trial in choice.trials] == ["reference", "alike"]


def test_a_pinned_engine_answers_even_where_it_is_slower(bundle):
    slow = CopyingEngine("slow", seconds=SLOW)
    engine, choice = choose("openvino", bundle, slow, seconds=QUICK)
    assert engine is slow
    assert choice.trials[0].refused == "VIGIE_ENGINE=openvino"


def test_a_pinned_engine_that_differs_is_an_error_that_names_the_way_out(bundle):
    with pytest.raises(EngineUnusable, match=r"differ by 0\.03.*Set VIGIE_ENGINE=auto"):
        choose("openvino", bundle, CopyingEngine("wrong", shifts=(0.03,)))


def test_an_engine_that_cannot_be_loaded_is_told_and_not_fatal(bundle):
    def absent() -> Engine:
        raise EngineUnusable("It is not installed.")

    reference = CopyingEngine("reference")
    engine, choice = choose_engine("auto", reference, {"absent": absent}, GOLDEN, bundle)
    assert engine is reference
    assert choice.trials[1].refused == "It is not installed."
    with pytest.raises(EngineUnusable, match="not installed"):
        choose_engine("openvino", reference, {"absent": absent}, GOLDEN, bundle)


def test_the_reference_pinned_tries_no_other(bundle):
    def untouchable() -> Engine:
        raise AssertionError

    reference = CopyingEngine("reference")
    engine, choice = choose_engine("onnxruntime", reference, {"other": untouchable}, GOLDEN, bundle)
    assert engine is reference
    assert [trial.engine for trial in choice.trials] == ["reference"]


def test_equal_outputs_are_alike(bundle):
    assert mismatch(outputs(8), outputs(8), bundle) is None


def test_a_small_difference_that_changes_a_decision_is_none_too_small(bundle):
    expected, actual = outputs(8), outputs(8)
    threshold = bundle.policy.critical_threshold
    expected.probabilities[3] = [0.5 - threshold / 2, 0.5 - threshold / 2, threshold + 1e-4]
    actual.probabilities[3] = [0.5 - threshold / 2, 0.5 - threshold / 2, threshold - 1e-4]
    assert "decides otherwise on 1 of 8" in str(mismatch(expected, actual, bundle))


@pytest.mark.parametrize(
    ("field", "shift", "complaint"),
    [
        ("embedding", 0.3, "embedding differ by 0.3"),
        ("activation_map", 2.0, "activation map differ"),
        ("embedding", np.nan, "not numbers"),
        ("activation_map", np.nan, "not numbers"),
    ],
)
def test_embedding_and_map_must_agree_as_well(bundle, field, shift, complaint):
    actual = outputs(8)
    getattr(actual, field)[2, 0] += shift
    assert complaint in str(mismatch(outputs(8), actual, bundle))
