import pytest

from ml.evaluation.experiment_page import experiments_markdown
from ml.evaluation.experiment_table import ExperimentTable
from tests.unit.evaluation.experiments import DIVERGED, make_table, make_table_with_failure


@pytest.fixture(scope="module")
def table() -> ExperimentTable:
    return make_table()


def test_every_row_stands_in_its_part_with_its_interval_and_its_costs(table):
    page = experiments_markdown(table)
    first, second, _ = page.split("\n## ")[1:]
    for part, rows in ((first, table.part("experiments")), (second, table.part("ablation"))):
        for row in rows:
            line = next(line for line in part.splitlines() if line.startswith(f"| {row.title} |"))
            accuracy = row.metrics.accuracy
            assert f"{accuracy.estimate:.3f} ({accuracy.lower:.3f}–{accuracy.upper:.3f})" in line
            assert line.endswith("| 101.2 | 93.9 | 1834 |")
            assert f"- **{row.title}**: {row.description}." in part


def test_only_differences_that_were_shown_are_bold(table):
    *_, differences = experiments_markdown(table).split("\n## ")
    clear, none, small = [line for line in differences.splitlines() if " − " in line]
    assert clear.startswith("| 2 resnet50, transfer − 1 cnn from scratch | **+0.")
    assert none.count("no change") == 6
    assert "| +0.025 (+0.000 to +0.0" in small
    assert "**+0.007 (+0.00" in small


def test_the_page_says_how_to_read_an_interval_that_holds_0(table):
    page = experiments_markdown(table)
    assert "not shown on 120 images" in page
    assert "about one in 20 excludes 0 by chance" in page.replace("\n", " ")


def test_an_experiment_without_ablation_has_no_empty_part(table):
    alone = table.model_copy(update={"rows": table.part("experiments")})
    assert "Remedies" not in experiments_markdown(alone)


def test_what_is_not_measurable_is_said(table):
    row = table.rows[0]
    blind = row.metrics.model_copy(update={"critical_auc": None})
    rows = [row.model_copy(update={"metrics": blind}), *table.rows[1:]]
    assert "not measurable" in experiments_markdown(table.model_copy(update={"rows": rows}))


def test_a_table_survives_its_json(table):
    assert ExperimentTable.model_validate_json(table.model_dump_json()) == table


def test_a_failed_model_stands_in_its_part_with_the_reason_and_no_numbers():
    page = experiments_markdown(make_table_with_failure())
    five = page.split("\n## ")[1]
    line = next(line for line in five.splitlines() if line.startswith("| 2 resnet50, transfer |"))
    assert line.split(" | ")[1:] == ["failed", *["–"] * 7, "– |"]
    assert f"- **2 resnet50, transfer** failed: {DIVERGED}" in five


def test_a_row_whose_step_before_failed_is_compared_with_none():
    *_, differences = experiments_markdown(make_table_with_failure()).split("\n## ")
    assert differences.count(" − ") == 1, "only the ablation is compared"
    assert "Nothing is compared with what failed: 2 resnet50, transfer." in differences


def test_a_table_with_a_failure_survives_its_json():
    table = make_table_with_failure()
    again = ExperimentTable.model_validate_json(table.model_dump_json())
    assert again == table
    assert [row.name for row in again.failed] == ["transfer"]
