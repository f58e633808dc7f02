import pytest
from rich.console import Console

from ml.cli import experiments
from tests.unit.evaluation.experiments import make_table


@pytest.fixture
def printed(monkeypatch):
    """What a person sees on a terminal of the usual width."""
    terminal = Console(width=80, record=True, file=None, force_terminal=False)
    monkeypatch.setattr(experiments, "out", terminal)
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
