from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml.contract.quality import measure
from ml.params import load_params
from ml.training.experiments import ExperimentData, run_experiments
from tests.unit.training.examples import blobs, small_data

PROJECT = Path(__file__).parents[3]


@pytest.mark.slow
def test_the_five_experiments_end_in_one_comparison_table(tmp_path):
    params = load_params(
        PROJECT / "params.toml",
        profile="demo",
        overrides=[
            'training.members=["cnn"]',
            "training.epochs=4",
            "training.batch_size=8",
            "training.learning_rate=3e-3",
            "image.size=32",
            "quantization.calibration_images=16",
            "quantization.max_flip_rate=1.0",
        ],
    )
    training = small_data()
    test_images, test_labels = blobs(24, seed=3)
    data = ExperimentData(
        training=training,
        test_images=test_images,
        test_labels=test_labels,
        validation_groups=np.arange(30) // 2,
        validation_statistics=pd.DataFrame(
            [measure(image[..., 0]).model_dump() for image in training.validation_images]
        ),
    )
    seen = []
    table = run_experiments(
        data, params=params, folder=tmp_path, transfer="cnn", on_row=seen.append
    )
    names = [row.name for row in table.rows]
    assert names == ["scratch", "transfer", "augmentation", "ensemble", "int8"]
    assert table.rows == seen
    rows = {row.name: row for row in table.rows}
    # A vote of one is that one, calibrated: its labels cannot change, and int8 is smaller.
    assert rows["ensemble"].accuracy == rows["transfer"].accuracy
    assert rows["int8"].size_mb < rows["ensemble"].size_mb
    assert all(row.latency_ms > 0 and 0 <= row.critical_sensitivity <= 1 for row in table.rows)
