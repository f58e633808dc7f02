import numpy as np
import pytest

from ml.contract.bundle import InputSpec
from ml.contract.decoding import Pixels
from ml.contract.errors import NotFound
from ml.training.arrays import load_grids

SPEC = InputSpec(height=16, width=16, channels=1)


class CountingStore:
    def __init__(self) -> None:
        self.loads = 0

    def load(self, image_id: str) -> Pixels:
        self.loads += 1
        return np.full((20, 30), int(image_id), np.uint8)


class BrokenStore:
    def load(self, image_id: str) -> Pixels:
        raise NotFound(f"No image {image_id}.")


def test_images_arrive_on_the_grid_in_the_order_asked_for(tmp_path):
    grids = load_grids(["7", "3", "9"], CountingStore().load, SPEC, tmp_path)
    assert grids.shape == (3, 16, 16, 1)
    assert grids.dtype == np.uint8
    assert grids[:, 0, 0, 0].tolist() == [7, 3, 9]


def test_a_second_load_reads_the_cache(tmp_path):
    store = CountingStore()
    load_grids(["1", "2"], store.load, SPEC, tmp_path)
    again = load_grids(["1", "2"], store.load, SPEC, tmp_path)
    assert store.loads == 2
    assert isinstance(again, np.memmap)


def test_a_grown_dataset_decodes_its_new_images_only(tmp_path):
    store = CountingStore()
    load_grids(["1", "2"], store.load, SPEC, tmp_path)
    grown = load_grids(["2", "5", "1"], store.load, SPEC, tmp_path)
    assert store.loads == 3
    assert grown[:, 0, 0, 0].tolist() == [2, 5, 1]


def test_another_grid_is_decoded_anew(tmp_path):
    store = CountingStore()
    load_grids(["1"], store.load, SPEC, tmp_path)
    colour = load_grids(["1"], store.load, SPEC.model_copy(update={"channels": 3}), tmp_path)
    assert colour.shape == (1, 16, 16, 3)
    assert store.loads == 2


def test_a_failing_load_leaves_nothing_behind(tmp_path):
    with pytest.raises(NotFound):
        load_grids(["1"], BrokenStore().load, SPEC, tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_asking_for_no_images_is_refused(tmp_path):
    with pytest.raises(NotFound, match="no images"):
        load_grids([], CountingStore().load, SPEC, tmp_path)
