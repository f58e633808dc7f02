"""Images that came in before: repeats are dropped, late labels taken, contradictions refused."""

from collections.abc import Collection, Mapping, Sequence
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
    labels: Sequence[str | None],
    positions: Sequence[int],
    stored: Mapping[str, str | None],
    *,
    settled: Collection[str] = (),
) -> Repeats:
    """Compare images with the stored ones and with those earlier in the batch; the first counts.

    A label for an image that had none is taken, and no label never contradicts one.

    Args:
        image_ids, labels, positions: one each per image, in the batch's order; a null label waits.
        stored: labels of images that are in the manifest, by image id.
        settled: image ids of which a person decided what their label is: no label contradicts it.
    """
    seen = dict(stored)
    repeats = Repeats([], [])
    for image_id, label, position in zip(image_ids, labels, positions, strict=True):
        if image_id not in seen:
            seen[image_id] = label
        elif label is None or label == seen[image_id] or image_id in settled:
            repeats.repeated.append(position)
        elif seen[image_id] is None:
            seen[image_id] = label
        else:
            repeats.contradicted.append(position)
    return repeats
