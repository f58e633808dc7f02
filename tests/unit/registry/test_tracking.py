import json
from pathlib import Path

from ml.registry.tracking import Tracker


def test_opening_a_run_twice_gives_the_same_run(tracker: Tracker) -> None:
    first = tracker.open_run("vigie-train", "weekly-1", name="weekly-1")
    assert tracker.open_run("vigie-train", "weekly-1", name="weekly-1") == first


def test_a_child_run_names_its_parent(tracker: Tracker) -> None:
    parent = tracker.open_run("vigie-train", "weekly-1", name="weekly-1")
    child = tracker.open_run("vigie-train", "weekly-1/resnet50", name="resnet50", parent_id=parent)
    assert tracker.client.get_run(child).data.tags["mlflow.parentRunId"] == parent


def test_metrics_that_are_not_numbers_are_left_out(tracker: Tracker) -> None:
    run_id = tracker.open_run("vigie-train", "weekly-1", name="weekly-1")
    tracker.log(run_id, metrics={"good": 0.5, "undefined": float("nan")})
    assert tracker.client.get_run(run_id).data.metrics == {"good": 0.5}


def test_the_dataset_is_the_runs_input_once(tracker: Tracker) -> None:
    run_id = tracker.open_run("vigie-train", "weekly-1", name="weekly-1")
    for _ in range(2):
        tracker.log_dataset(
            run_id,
            dataset_id="d1201d9c",
            source="s3://bucket/datasets/d1201d9c",
            counts={"num_rows": 10},
            context="training",
        )
    (logged,) = tracker.client.get_run(run_id).inputs.dataset_inputs
    assert logged.dataset.digest == "d1201d9c"
    assert json.loads(logged.dataset.source) == {"uri": "s3://bucket/datasets/d1201d9c"}
    assert json.loads(logged.dataset.profile) == {"num_rows": 10}
    assert [(tag.key, tag.value) for tag in logged.tags] == [("mlflow.data.context", "training")]


def test_a_history_keeps_one_point_per_epoch(tracker: Tracker) -> None:
    run_id = tracker.open_run("vigie-train", "weekly-1", name="weekly-1")
    tracker.log_history(run_id, {"loss": [0.9, 0.5, 0.3]})
    points = tracker.client.get_metric_history(run_id, "loss")
    assert [(point.step, point.value) for point in points] == [(1, 0.9), (2, 0.5), (3, 0.3)]


def test_a_run_in_a_file_has_no_address(tracker: Tracker) -> None:
    assert tracker.run_url(tracker.open_run("vigie-train", "weekly-1", name="weekly-1")) == ""


def test_only_the_files_named_are_uploaded(tracker: Tracker, tmp_path: Path) -> None:
    run_id = tracker.open_run("vigie-train", "weekly-1", name="weekly-1")
    for name in ("evaluation.html", "card.html", "secret.html"):
        (tmp_path / name).write_text(name)
    tracker.log_files(run_id, [tmp_path / "evaluation.html"], "evaluation")
    tracker.log_files(run_id, [tmp_path / "card.html"])
    root, folder = (tracker.client.list_artifacts(run_id, path) for path in ("", "evaluation"))
    listed = [item.path for item in (*root, *folder) if not item.is_dir]
    assert listed == ["card.html", "evaluation/evaluation.html"]


def test_the_description_of_a_run_is_its_note_and_never_too_long(tracker: Tracker) -> None:
    run_id = tracker.open_run("vigie-train", "weekly-1", name="weekly-1")
    tracker.describe_run(run_id, "**refused** " + "because " * 5000)
    note = tracker.client.get_run(run_id).data.tags["mlflow.note.content"]
    assert note.startswith("**refused** because")
    assert len(note) == 5000
