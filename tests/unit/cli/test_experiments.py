import pytest
from rich.console import Console

from ml.cli import experiments
from tests.unit.evaluation.experiments import DIVERGED, make_table, make_table_with_failure


@pytest.fixture
def terminal(monkeypatch):
    """One of the usual width."""
    terminal = Console(width=80, record=True, file=None, force_terminal=False)
    monkeypatch.setattr(experiments, "out", terminal)
    return terminal


@pytest.fixture
def printed(terminal):
    """What a person sees there."""
    experiments.show_experiments(make_table())
    return terminal.export_text()


def test_no_number_is_cut_off_on_a_narrow_terminal(printed):
    assert "…" not in printed.replace("…+", "").replace("…-", "")
    for row in make_table().rows:
        accuracy = row.metrics.accuracy
        assert f"{accuracy.estimate:.3f}" in printed
        assert f"{accuracy.lower:.2f}–{accuracy.upper:.2f}" in printed


def test_both_parts_and_the_differences_have_a_heading(printed):
    first, second, third = (
        printed.index(heading)
        for heading in ("The five experiments", "Remedies against rare", "Paired differences")
    )
    assert first < second < third
    assert "− no remedy" in printed[third:]


def test_a_failed_model_is_named_with_its_reason(terminal):
    experiments.show_experiments(make_table_with_failure())
    words = " ".join(terminal.export_text().split())
    assert f"2 resnet50, transfer failed: {DIVERGED}" in words
    assert "3 + intensive" in words
    assert "− 2 resnet50" not in words, "nothing is compared with it"


def test_a_reason_that_looks_like_markup_is_printed_as_it_is(terminal):
    table = make_table_with_failure()
    failed = table.failed[0].model_copy(update={"reason": "Set training.members=[red]."})
    experiments.show_experiments(table.model_copy(update={"rows": [failed, *table.measured]}))
    assert "training.members=[red]." in terminal.export_text()
