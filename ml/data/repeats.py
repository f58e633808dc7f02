"""Images that came in before: repeats are dropped, what comes late is taken, contradictions are
refused."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ml.data.manifest import StoredImage

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
    patients: Sequence[str | None],
    positions: Sequence[int],
    stored: Mapping[str, StoredImage],
    *,
    settled: Collection[str] = (),
) -> Repeats:
    """Compare images with the stored ones and with those earlier in the batch; the first counts.

    A label or a patient for an image that had none is taken, and no label never contradicts one.
    Of two patients of one image the first counts.

    Args:
        image_ids, labels, patients, positions: one each per image, in the batch's order; a null
            label waits.
        stored: images that are in the manifest, by image id.
        settled: image ids of which a person decided what their label is: no label contradicts it.
    """
    seen = dict(stored)
    repeats = Repeats([], [])
    for image_id, label, patient, position in zip(
        image_ids, labels, patients, positions, strict=True
    ):
        known = seen.get(image_id)
        if known is None:
            seen[image_id] = StoredImage(label, patient)
        elif label and known.label and label != known.label and image_id not in settled:
            repeats.contradicted.append(position)
        else:
            filled = StoredImage(known.label or label, known.patient or patient)
            if filled == known:
                repeats.repeated.append(position)
            seen[image_id] = filled
    return repeats
