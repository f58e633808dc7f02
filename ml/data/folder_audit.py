"""What a folder would give away: copies, look-alikes, and how a random split flatters."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from ml.contract.decoding import Pixels, decode, image_id
from ml.contract.errors import InputError
from ml.data.appearance import appearance
from ml.data.buckets import Indices
from ml.data.leakage import find_look_alikes, link_groups
from ml.data.results import FolderAudit, IncomingImage, Judgement
from ml.data.storage import Place
from ml.params import DataParams

_SIDE = 64
_FOLDS, _REPEATS = 5, 3
_MOST_JUDGED = 20_000


def audit_folder(
    folder: Place,
    files: Sequence[IncomingImage],
    params: DataParams,
    on_progress: Callable[[int], None] | None = None,
) -> FolderAudit:
    """Look for leaks in images that were not ingested; nothing is stored.

    `random_split` and `grouped_split` tell how often the most similar image of other folds (1-NN on
    64×64 grey pixels, 5 folds, 3 repeats) has the right label. The first divides single images, as
    papers do, the second divides groups (patients and look-alikes): the difference is leakage.

    Args:
        folder: what the files' paths are relative to: see `source_folder`.
        files: as `discover` finds them.
        on_progress: called with 1 after each file.

    Raises:
        InputError: none of the files is an image.
    """
    judged = len(files) <= _MOST_JUDGED

    def rows() -> Iterator[dict[str, object]]:
        for file in files:
            try:
                pixels = decode((folder / file.path).read_bytes(), params.limits).pixels
            except (InputError, OSError):
                continue
            finally:
                if on_progress is not None:
                    on_progress(1)
            looks = appearance(pixels)
            yield {
                "image_id": image_id(pixels),
                "path": file.path,
                "label": file.label,
                "patient": file.patient,
                "phash": looks.phash,
                "descriptor": looks.descriptor,
                "pixels": _small(pixels) if judged else None,
            }

    frame = pd.DataFrame(list(rows()))
    if frame.empty:
        raise InputError("None of the files is an image.", remedy="Name another folder.")
    found = find_look_alikes(frame, params)
    groups = link_groups(frame["patient"], found.groups)
    copied = frame[frame["image_id"].duplicated(keep=False)]
    labels_per_copy = copied.groupby("image_id")["label"].transform("nunique")
    twins = _involved(np.concatenate([found.hash_pairs, found.twin_pairs]), len(frame))
    return FolderAudit(
        files=len(files),
        images=len(frame),
        groups=int(groups.max()) + 1,
        exact_copies=len(copied) - copied["image_id"].nunique(),
        conflicting_copies=sorted(copied.loc[labels_per_copy > 1, "path"]),
        hash_twin_share=float(_involved(found.hash_pairs, len(frame)).mean()),
        twin_share=float(twins.mean()),
        twins_across_labels=_across_labels(frame["label"], found.groups),
        random_split=_nearest(frame, np.arange(len(frame))) if judged else None,
        grouped_split=_nearest(frame, groups) if judged else None,
    )


def _small(pixels: Pixels) -> Pixels:
    image = Image.fromarray(pixels).convert("L")
    return np.asarray(image.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)).ravel()


def _involved(pairs: Indices, count: int) -> npt.NDArray[np.bool_]:
    involved = np.zeros(count, np.bool_)
    involved[pairs.ravel()] = True
    return involved


def _across_labels(labels: pd.Series, look_alikes: Indices) -> int:
    return int((labels.groupby(look_alikes).transform("nunique") > 1).sum())


def _nearest(frame: pd.DataFrame, groups: Indices) -> Judgement | None:
    """None where there are too few groups for the folds."""
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
    from sklearn.neighbors import KNeighborsClassifier

    judged = frame["label"].notna().to_numpy()
    labels = frame.loc[judged, "label"].to_numpy()
    groups = groups[judged]
    per_label = pd.Series(groups).groupby(labels).nunique()
    if len(per_label) < 2 or per_label.min() < _FOLDS:
        return None
    pixels = np.stack(frame.loc[judged, "pixels"].to_list()).astype(np.float32)
    right = [
        cross_val_predict(
            KNeighborsClassifier(1),
            pixels,
            labels,
            groups=groups,
            cv=StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=repeat),
        )
        == labels
        for repeat in range(_REPEATS)
    ]
    shares = np.mean(right, axis=0)
    return Judgement(
        accuracy=float(shares.mean()),
        recall={str(label): float(shares[labels == label].mean()) for label in per_label.index},
    )
