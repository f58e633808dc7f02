import numpy as np
import pytest
from pydicom import DataElement, Dataset

from ml.contract.decoding import decode
from ml.contract.dicom.voi_lut import first_voi_lut
from tests.fakes.dicom_files import dicom_file


def lut(entries: list[int], *, first: int = 0, depth: int = 16, vr: str = "OW") -> Dataset:
    item = Dataset()
    item.LUTDescriptor = [len(entries), first, depth]
    words = np.array(entries, "<u2").tobytes()
    item.add(DataElement("LUTData", vr, words if vr == "OW" else entries))
    return item


def shades(values: np.ndarray, *items: Dataset, **elements: object) -> list[int]:
    file = dicom_file(values, VOILUTSequence=list(items), **elements)
    return decode(file).pixels[0].tolist()


@pytest.mark.parametrize("vr", ["OW", "US"])
@pytest.mark.parametrize("depth", [8, 12, 16])
def test_a_table_says_the_shades_of_more_values_than_it_has_bits(depth: int, vr: str) -> None:
    values = np.array([[0, 600, 1200, 4095]] * 2, np.uint16)
    entries = [min(value // 16, 75) for value in range(4096)]
    assert shades(values, lut(entries, depth=depth, vr=vr)) == [0, 126, 255, 255]


def test_values_outside_a_table_have_its_first_and_last_shade() -> None:
    values = np.array([[0, 100, 101, 102, 60_000]] * 2, np.uint16)
    assert shades(values, lut([0, 100, 200], first=100)) == [0, 0, 127, 255, 255]


def test_a_table_reads_rescaled_values() -> None:
    values = np.array([[0, 1, 2]] * 2, np.int16)
    table = lut([0, 100, 200], first=-1)
    assert shades(values, table, RescaleSlope=0.6, RescaleIntercept=-1) == [0, 127, 127]


def test_the_first_table_counts_and_goes_before_a_window() -> None:
    values = np.array([[0, 1, 2]] * 2, np.uint16)
    tables = lut([0, 100, 200]), lut([200, 100, 0])
    assert shades(values, *tables, WindowCenter=1, WindowWidth=1) == [0, 127, 255]


def test_an_empty_sequence_is_no_table() -> None:
    dataset = Dataset()
    assert first_voi_lut(dataset) is None
    dataset.VOILUTSequence = []
    assert first_voi_lut(dataset) is None
    dataset.VOILUTSequence = [Dataset()]
    assert first_voi_lut(dataset) is None
