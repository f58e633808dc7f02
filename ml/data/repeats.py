"""Images that came in before: plain repeats are dropped, contradicting labels are refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

REPEATED = "duplicate of an image already stored"
CONTRADICTED = "same image, other label"


@dataclass(frozen=True, slots=True)
class Repeats:
    """Positions in the batch, ascending."""

    repeated: list[int]
    contradicted: list[int]


def find_repeats(
    image_ids: Sequence[str],
    labels: Sequence[str],
    positions: Sequence[int],
    stored: Mapping[str, str],
) -> Repeats:
    """Compare images with the stored ones and with those earlier in the batch; the first counts.

    Args:
        image_ids, labels, positions: one each per image, in the batch's order.
        stored: labels of images that are in the manifest, by image id.
    """
    seen = dict(stored)
    repeats = Repeats([], [])
    for image_id, label, position in zip(image_ids, labels, positions, strict=True):
        if image_id not in seen:
            seen[image_id] = label
        elif seen[image_id] == label:
            repeats.repeated.append(position)
        else:
            repeats.contradicted.append(position)
    return repeats
