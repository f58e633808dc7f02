"""Two models' answers on a small test split, and a table of them, for tests."""

from functools import cache
from pathlib import Path

import numpy as np

from ml.evaluation.experiment_metrics import Answers, Truth, measure_answers, paired_difference
from ml.evaluation.experiment_table import (
    Difference,
    ExperimentRow,
    ExperimentTable,
    FailedExperiment,
)
from ml.params import load_params

PARAMS = load_params(
    Path(__file__).parents[3] / "params.toml", overrides=["evaluation.bootstrap_rounds=200"]
).evaluation


def make_truth(images: int = 120, seed: int = 0) -> Truth:
    """Groups of two images; every fourth group is critical."""
    groups = np.arange(images) // 2
    labels = np.random.default_rng(seed).choice(3, groups.max() + 1, p=[0.35, 0.4, 0.25])[groups]
    return Truth(labels=labels, groups=groups, critical=2, classes=3)


def make_answers(truth: Truth, clarity: float, seed: int = 0) -> Answers:
    """`clarity` is how far the true label's logit stands out of the same noise."""
    logits = np.random.default_rng(seed).normal(size=(len(truth.labels), truth.classes))
    logits[np.arange(len(truth.labels)), truth.labels] += clarity
    return Answers.of_logits(logits)


@cache
def make_table() -> ExperimentTable:
    """A clear step, a step that changes nothing, and an ablation."""
    truth = make_truth()
    answers: dict[str, Answers] = {}
    rows = []
    for name, title, clarity, against, part in (
        ("scratch", "1 cnn from scratch", 0.8, None, "experiments"),
        ("transfer", "2 resnet50, transfer", 2.6, "scratch", "experiments"),
        ("augmentation", "3 + intensive augmentation", 2.6, "transfer", "experiments"),
        ("no-remedy", "no remedy", 1.9, None, "ablation"),
        ("smote", "SMOTE on embeddings", 2.0, "no-remedy", "ablation"),
    ):
        answers[name] = make_answers(truth, clarity)
        rows.append(
            ExperimentRow(
                name=name,
                title=title,
                description=f"{title}; as it was",
                part=part,
                run=name,
                metrics=measure_answers(answers[name], truth, PARAMS),
                difference=against
                and Difference(
                    against=against,
                    metrics=paired_difference(answers[name], answers[against], truth, PARAMS),
                ),
                size_mb=93.9,
                latency_ms=101.25,
                train_seconds=1834.2,
            )
        )
    return ExperimentTable(
        dataset_id="0123abcd",
        images=len(truth.labels),
        groups=len(np.unique(truth.groups)),
        critical_label="malignant",
        critical_images=int(truth.is_critical.sum()),
        confidence=0.95,
        rows=rows,
    )


DIVERGED = "The loss became nan in epoch 1. Lower training.learning_rate."


def make_table_with_failure(name: str = "transfer") -> ExperimentTable:
    """The same where one model could not be trained, so that none is compared with it."""
    rows = []
    for row in make_table().measured:
        if row.name == name:
            kept = row.model_dump(include={"name", "title", "description", "part", "run"})
            rows.append(FailedExperiment(**kept, reason=DIVERGED))
        elif row.difference and row.difference.against == name:
            rows.append(row.model_copy(update={"difference": None}))
        else:
            rows.append(row)
    return make_table().model_copy(update={"rows": rows})
