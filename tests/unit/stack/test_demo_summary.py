import io
import json

from rich.console import Console

from ml.stack.demo_summary import DemoSummary, show

INTERVAL = {"estimate": 0.93, "lower": 0.9, "upper": 0.95, "n": 330}


def summary(**changes):
    values = {
        "dataset_id": "d" * 64,
        "model_version": "3",
        "bundle_sha256": "b" * 64,
        "metrics": {
            "headline": {"accuracy": INTERVAL},
            "images": 330,
            "paper": [{"member": "b0", "honest_accuracy": 0.91, "paper_accuracy": 0.97}],
        },
        "gate": {
            "promote": False,
            "results": [
                {
                    "name": "accuracy",
                    "verdict": "refuse",
                    "evidence": "lower bound 0.70 is under 0.80",
                    "value": 0.7,
                    "bound": 0.8,
                }
            ],
            "reasons": ["lower bound 0.70 is under 0.80"],
        },
        "promoted": False,
        "prediction": {"label": "malignant", "probabilities": {"malignant": 0.91}},
        "answers": {"asked": 80, "right": 75, "referred": 6},
        "drift": {"state": "quiet"},
        "drift_report": "/var/report.html",
        "ingest": {"rows": 100, "accepted": 96, "rejected": {"unreadable": 4}},
        "runs": {},
        "urls": {},
        "seconds": {},
    }
    return DemoSummary(**{**values, **changes})


def shown(found):
    output = io.StringIO()
    show(Console(file=output, width=140), found)
    return output.getvalue()


def test_it_is_written_as_json_and_leaves_no_half_file(tmp_path):
    summary().write(tmp_path / "demo" / "summary.json")

    written = json.loads((tmp_path / "demo" / "summary.json").read_text())
    assert DemoSummary.model_validate(written) == summary()
    assert [path.name for path in (tmp_path / "demo").iterdir()] == ["summary.json"]


def test_a_refusal_is_shown_with_its_evidence():
    text = shown(summary())

    assert "Refused" in text
    assert "lower bound 0.70 is under 0.80" in text


def test_quarantine_reasons_metrics_and_production_are_shown():
    text = shown(summary(promoted=True))

    assert "4 in quarantine or dropped: unreadable" in text
    assert "0.930" in text
    assert "0.970 on a random image split" in text
    assert "75 of 80 answers right" in text
    assert "malignant, 91%" in text


def test_a_demo_without_new_images_says_so():
    assert "No new images" in shown(summary(ingest=None))
