import csv

from ml.stack.delivery import deliver_cohort, list_cohorts


def listed(landing):
    with (landing / "images.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_each_delivery_adds_a_cohort_of_other_images(tmp_path):
    first = deliver_cohort(tmp_path, images=12)
    second = deliver_cohort(tmp_path, images=12)

    rows = listed(tmp_path)
    assert len(rows) == first.files + second.files
    assert {row["path"].split("/")[0] for row in rows} == {"cohort-001", "cohort-002"}
    assert all((tmp_path / row["path"]).is_file() for row in rows)
    patients = {row["path"].split("/")[0]: set() for row in rows}
    for row in rows:
        if row["patient_id"]:
            patients[row["path"].split("/")[0]].add(row["patient_id"])
    assert patients["cohort-001"].isdisjoint(patients["cohort-002"])


def test_the_first_delivery_holds_faults(tmp_path):
    assert all(deliver_cohort(tmp_path, images=12).faults.values())


def test_listing_again_changes_nothing(tmp_path):
    deliver_cohort(tmp_path, images=12)
    before = (tmp_path / "images.csv").read_bytes()

    list_cohorts(tmp_path)

    assert (tmp_path / "images.csv").read_bytes() == before
