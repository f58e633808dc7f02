import pytest

from ml.params import Params
from tests.unit.training.tiny_experiments import Watcher, run, tiny_params

EXPERIMENTS = ["scratch", "transfer", "augmentation", "ensemble", "majority", "int8"]
ABLATION = ["no-remedy", "class-weights", "smote", "class-weights-and-smote"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("experiments")


@pytest.fixture(scope="module")
def params() -> Params:
    return tiny_params()


@pytest.fixture(scope="module")
def finished(folder, params):
    watcher = Watcher()
    return run(folder, params, watcher), watcher


@pytest.mark.slow
def test_all_experiments_and_the_ablation_end_in_one_table(finished):
    table, watcher = finished
    assert [row.name for row in table.part("experiments")] == EXPERIMENTS
    assert [row.name for row in table.part("ablation")] == ABLATION
    assert list(watcher.rows.values()) == table.rows
    assert (table.images, table.groups, table.critical_images) == (24, 12, 8)
    for row in table.rows:
        accuracy = row.metrics.accuracy
        assert accuracy.lower <= accuracy.estimate <= accuracy.upper
        assert row.latency_ms > 0
        assert row.size_mb > 0


@pytest.mark.slow
def test_each_step_is_compared_with_the_one_before_and_each_remedy_with_none(finished):
    table, _ = finished
    against = {row.name: row.difference and row.difference.against for row in table.rows}
    assert against == {
        "scratch": None,
        "transfer": "scratch",
        "augmentation": "transfer",
        "ensemble": "augmentation",
        "majority": "ensemble",
        "int8": "ensemble",
        "no-remedy": None,
        "class-weights": "no-remedy",
        "smote": "no-remedy",
        "class-weights-and-smote": "no-remedy",
    }


@pytest.mark.slow
def test_a_vote_of_one_gives_the_answers_of_that_one(finished):
    rows = {row.name: row for row in finished[0].rows}
    for name in ("ensemble", "majority"):
        assert rows[name].metrics.accuracy == rows["augmentation"].metrics.accuracy
    assert rows["majority"].latency_ms == rows["ensemble"].latency_ms, "it is one graph"
    assert rows["int8"].size_mb < rows["ensemble"].size_mb


@pytest.mark.slow
def test_only_the_remedies_tell_the_four_ablations_apart(finished):
    _, watcher = finished
    members = [watcher.members[name]["cnn"] for name in ABLATION]
    assert {member.initialisation for member in members} == {"champion"}
    assert all(member.history[0].phase == "head" for member in members)
    assert len({member.history[0].loss for member in members}) == 3, "both begins as SMOTE does"
    assert len({member.validation.log_loss for member in members}) == 4


@pytest.mark.slow
def test_what_was_trained_before_is_not_trained_again(folder, params, finished):
    before = {path: path.stat().st_mtime_ns for path in folder.glob("members/*/member.json")}
    again = Watcher()
    table = run(folder, params, again)
    assert again.epochs == []
    assert before == {path: path.stat().st_mtime_ns for path in before}
    measured = {row.name: row.metrics for row in finished[0].rows}
    assert {row.name: row.metrics for row in table.rows} == measured


@pytest.mark.slow
def test_a_model_that_two_experiments_share_is_trained_once(finished):
    """The augmented network is the only member of the vote; baseline and transfer are the same."""
    _, watcher = finished
    assert watcher.members["transfer"]["cnn"] == watcher.members["scratch"]["cnn"]
    assert watcher.members["ensemble"]["cnn"] == watcher.members["augmentation"]["cnn"]
    assert not any(title.startswith(("2 ", "4 ")) for title in watcher.epochs)
