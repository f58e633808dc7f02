from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from ml.data.batch_frame import BatchFrame, Earlier, batch_frame
from tests.unit.data.home import small_params

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def _rows(labels: list, *, patients: list | None = None, site: str = "north") -> pd.DataFrame:
    rows = {
        "label": pd.Series(labels, dtype=object),
        "patient": pd.Series(patients or [None] * len(labels), dtype=object),
        "site": site,
        "ingested_at": pd.Series([NOW] * len(labels), dtype="datetime64[us, UTC]"),
        "row": range(len(labels)),
    }
    return pd.DataFrame(rows)


def _describe(rows: pd.DataFrame, **given: object) -> BatchFrame:
    facts = {"unreadable": 0, "rejected": [], "repeated": [], "earlier": Earlier({}, {}), **given}
    return batch_frame(rows, params=small_params(), **facts)


def test_every_file_has_a_row_that_says_what_became_of_it() -> None:
    described = _describe(_rows(["a", "a", "b"]), unreadable=2, rejected=[2], repeated=[0])
    assert described.counts["files"] == len(described.frame) == 5
    assert described.frame["rejected"].tolist() == [0, 0, 1, 1, 1]
    assert described.frame["unreadable"].tolist() == [0, 0, 0, 1, 1]
    assert described.frame["repeated"].tolist() == [1, 0, 0, 0, 0]


def test_shares_are_of_the_accepted_images() -> None:
    rows = _rows(["a", "a", "a", "b", None], patients=["p", "p", "q", "q", None])
    described = _describe(rows, rejected=[0])
    shares = described.frame["label_share"]
    assert shares[[1, 2, 3]].round(3).tolist() == [0.667, 0.667, 0.333]
    assert shares[[0, 4]].isna().all()
    assert described.frame["patient_share"].max() == pytest.approx(2 / 3)
    assert (described.counts["labelled"], described.counts["named"]) == (3, 3)


def test_images_without_a_patient_each_count_for_one() -> None:
    rows = _rows(["a"] * 5, patients=["p", "p", "q", None, None])
    assert _describe(rows).counts["patients"] == 4


@pytest.mark.parametrize(
    ("earlier", "distance"), [({"a": 5, "b": 5}, 0.0), ({"a": 10, "b": 0}, 0.5), ({"c": 3}, 1.0)]
)
def test_the_class_mix_is_compared_with_the_last_datasets(earlier: dict, distance: float) -> None:
    described = _describe(_rows(["a", "a", "b", "b", None]), earlier=Earlier({}, earlier))
    assert described.frame["class_mix_distance"].tolist() == pytest.approx([distance] * 5)
    assert described.counts["datasets"] == 1


def test_without_a_dataset_or_labels_no_distance_is_made_up() -> None:
    assert _describe(_rows(["a"])).frame["class_mix_distance"].isna().all()
    waiting = _describe(_rows([None]), earlier=Earlier({}, {"a": 1}))
    assert waiting.frame["class_mix_distance"].isna().all()


def test_a_site_is_missed_once_it_is_silent_and_until_it_counts_as_closed() -> None:
    days = {"fresh": 3, "silent": 15, "north": 20, "closed": 57}
    sites = {site: NOW - timedelta(days=age) for site, age in days.items()}
    described = _describe(_rows(["a"]), earlier=Earlier(sites, {}))
    # The batch itself is from north.
    assert described.parameters["expected_sites"] == ["north", "silent"]
    assert described.parameters["known_sites"] == ["closed", "fresh", "north", "silent"]
    assert described.counts["sites"] == 1


def test_a_batch_without_readable_files_is_described_too() -> None:
    described = _describe(_rows([]), unreadable=3)
    assert described.frame["rejected"].tolist() == [1, 1, 1]
    assert described.parameters["expected_sites"] == []
