"""Look-alikes within one batch: told at validation, kept together when a dataset is frozen."""

import pandas as pd

from ml.data.conflicts import label_conflicts
from ml.data.leakage import find_look_alikes
from ml.params import DataParams

_MOST = 100_000


def look_alike_warnings(frame: pd.DataFrame, params: DataParams) -> list[str]:
    """What look-alikes a batch holds, as sentences; none where there is nothing to tell.

    Look-alikes across batches, splits and past tests are told when a dataset is frozen, for all
    images at once.

    Args:
        frame: image_id, label, phash, descriptor of the batch's accepted rows.
    """
    frame = frame.drop_duplicates("image_id", ignore_index=True)
    if frame.empty:
        return []
    if len(frame) > _MOST:
        return [f"{len(frame)} images: look-alikes are looked for when a dataset is frozen"]
    groups = find_look_alikes(frame, params).groups
    alike = int((pd.Series(groups).groupby(groups).transform("size") > 1).sum())
    other = len(label_conflicts(frame, groups))
    told = [f"{alike} of {len(frame)} images look like others of this batch"] if alike else []
    if other:
        told.append(f"{other} of {len(frame)} images look like one of another label")
    return told
