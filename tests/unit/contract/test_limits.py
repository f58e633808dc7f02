import pytest

from ml.contract.errors import ImageTooLarge, SeveralFrames, UnreadableImage
from ml.contract.limits import DecodeLimits, check_byte_count, check_pixel_count, choose_frame


@pytest.mark.parametrize(("frames", "middle"), [(1, 0), (2, 1), (3, 1), (30, 15)])
def test_the_middle_frame_is_the_later_of_two(frames: int, middle: int) -> None:
    assert choose_frame(frames, "middle") == middle
    assert choose_frame(frames, "first") == 0


def test_one_frame_needs_no_policy_and_several_do() -> None:
    assert choose_frame(1, "refuse") == 0
    with pytest.raises(SeveralFrames, match="2 frames"):
        choose_frame(2, "refuse")


def test_limits_are_inclusive() -> None:
    limits = DecodeLimits(max_bytes=3, max_pixels=6)
    check_byte_count(b"abc", limits)
    check_pixel_count(2, 3, limits)
    with pytest.raises(ImageTooLarge):
        check_byte_count(b"abcd", limits)
    with pytest.raises(ImageTooLarge):
        check_pixel_count(7, 1, limits)
    with pytest.raises(UnreadableImage):
        check_byte_count(b"", limits)
