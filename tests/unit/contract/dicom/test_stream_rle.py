import pytest
from pydicom.uid import RLELossless

from ml.contract.dicom.stream_rle import check_rle_length
from tests.fakes.dicom_files import compressed
from tests.unit.contract.dicom.pictures import DEEP

_FRAME = compressed(DEEP, RLELossless, 12)


def test_runs_are_counted_to_the_byte() -> None:
    check_rle_length(_FRAME, DEEP.nbytes + 1)
    with pytest.raises(ValueError, match="larger"):
        check_rle_length(_FRAME, DEEP.nbytes - 1)


def test_a_bomb_is_not_counted_to_its_end() -> None:
    with pytest.raises(ValueError, match="larger"):
        check_rle_length(bytes(64) + b"\x81\0" * 10**7, 1000)
