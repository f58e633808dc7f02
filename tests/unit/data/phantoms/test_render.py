import numpy as np
import pytest

from ml.contract.decoding import decode
from ml.data.phantoms import LABELS, NEW_SCANNER, SCANNERS, Scanner, phantom_bytes, render_phantom


@pytest.mark.parametrize("scanner", [*SCANNERS, NEW_SCANNER], ids=lambda item: item.name)
@pytest.mark.parametrize("label", LABELS)
def test_a_phantom_is_grey_and_of_the_scanners_size(label: str, scanner: Scanner) -> None:
    pixels = render_phantom(label, np.random.default_rng(1), scanner)
    assert pixels.dtype == np.uint8
    assert scanner.height[0] <= pixels.shape[0] <= scanner.height[1]
    assert scanner.width[0] <= pixels.shape[1] <= scanner.width[1]
    assert pixels.std() > 15


def test_the_generator_alone_decides() -> None:
    one, same, other = (
        render_phantom("benign", np.random.default_rng(seed), SCANNERS[0]) for seed in (4, 4, 5)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_single_phantom_is_a_readable_file_and_repeatable() -> None:
    data = phantom_bytes("malignant", seed=3)
    assert data == phantom_bytes("malignant", seed=3)
    assert data != phantom_bytes("malignant", seed=4)
    assert decode(data).media_type == "image/png"
    dicom = phantom_bytes("malignant", seed=3, media_type="application/dicom")
    assert decode(dicom).media_type == "application/dicom"
