import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ml.contract.errors import BundleInvalid
from ml.contract.quality import STATISTIC_NAMES
from ml.monitoring.reference import Reference
from ml.monitoring.signals import signals_of
from ml.monitoring.windows import WindowInvalid, frames
from ml.store.prediction_columns import _table
from tests.unit.monitoring.conftest import (
    BUNDLE,
    COMPONENTS,
    LABELS,
    make_reference,
    make_window,
    reference_rows,
)


def rows_of(n=5, components=COMPONENTS, **statistics):
    """Rows as the database hands them out."""
    looks = dict.fromkeys(STATISTIC_NAMES, 50.0) | statistics
    return [
        (
            f"r{number}", f"{number:064x}", "benign", "report", "north", None,
            json.dumps({"normal": 0.1, "benign": 0.7, "malignant": 0.2}),
            json.dumps([float(number)] * components),
            json.dumps(looks),
        )
        for number in range(n)
    ]  # fmt: skip


def window(**how) -> pd.DataFrame:
    tables: list[pa.Table] = [_table(rows_of(**how), LABELS)]
    return next(frames(tables, BUNDLE, COMPONENTS))


def test_a_window_has_every_watched_column():
    names = {signal.name for signal in signals_of(LABELS, COMPONENTS)}
    assert names <= set(window().columns)
    assert names <= set(make_window(5, seed=0).columns)
    assert names <= set(make_reference(30).rows.columns)


def test_embeddings_are_columns_and_their_distance_is_the_servers():
    frame = window()
    assert frame[f"embedding_{COMPONENTS - 1}"].tolist() == [0, 1, 2, 3, 4]
    assert frame["embedding_distance"].tolist() == [0, 1, 2, 3, 4]


def test_images_outside_the_bundles_bounds_are_rejects():
    assert set(window(mean=29.0)["quality"]) == {"rejected"}
    assert set(window(mean=31.0)["quality"]) == {"accepted"}


def test_a_statistic_that_was_not_recorded_is_missing_and_no_reject():
    frame = window(mean=None)
    assert frame["mean"].isna().all()
    assert set(frame["quality"]) == {"accepted"}


def test_embeddings_of_another_size_are_refused():
    with pytest.raises(WindowInvalid, match="8 components"):
        window(components=4)


def test_components_are_those_of_images_that_did_not_fit_the_projection():
    reference = make_reference(90)
    assert reference.rows["embedding_0"].notna().sum() == 60 == reference.facts.embedding_images
    assert reference.rows["mean"].notna().all()


def test_the_reference_answers_are_the_predictions_and_not_the_truth():
    rows = reference_rows(40, seed=1, sharpness=0.5)
    reference = Reference.of(rows, BUNDLE, "b" * 64)
    assert reference.rows["answer"].tolist() == rows["predicted"].tolist()
    assert reference.rows["truth"].tolist() == rows["label"].tolist()


def test_a_bundle_that_tells_no_groups_has_images_of_their_own():
    rows = reference_rows(40, seed=1, per_patient=4)
    assert Reference.of(rows, BUNDLE, "b").facts.groups == 10
    older = Reference.of(rows.drop(columns="group"), BUNDLE, "b")
    assert older.facts.groups is None
    assert len(np.unique(older.groups)) == 40


def test_a_folder_that_is_no_bundle_is_refused(tmp_path):
    with pytest.raises(BundleInvalid):
        Reference.open(tmp_path)
