"""The public ultrasound images, read where they lie; nothing here is needed to use Vigie."""

import pytest

from ml.data.manifest import read_manifest
from tests.unit.data.home import PROJECT, DataHome

BUSI = PROJECT.parent / "shared" / "data" / "busi"

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not BUSI.is_dir(), reason=f"the BUSI images are not at {BUSI}"),
]


@pytest.fixture(scope="module")
def busi(tmp_path_factory: pytest.TempPathFactory) -> DataHome:
    return DataHome(tmp_path_factory.mktemp("busi"))


def test_real_images_pass_but_for_the_pair_whose_labels_contradict(busi: DataHome) -> None:
    files = sum(1 for path in BUSI.rglob("*.png"))
    report = busi.take_in(BUSI)
    assert report.rows == files
    assert report.rejected == {"same image, other label": 1}
    assert report.accepted == files - 1
    (twin,) = busi.quarantine.list()
    assert (twin.code, twin.content) == ("contradicted-label", "delivered")
    kept = read_manifest(busi.manifest, columns=["image_id", "label"]).set_index("image_id")
    assert {kept["label"][twin.image_id], twin.label} == {"benign", "malignant"}


def test_real_images_without_patients_are_split_by_near_duplicates(busi: DataHome) -> None:
    info = busi.freeze()
    assert info.leak.cross_split_groups == 0
    assert info.leak.near_duplicate_pairs > 100
    assert info.leak.conflicting_groups > 0
    assert 450 < info.groups < info.images
    assert all(count > 0 for split in info.per_split.values() for count in split.values())
