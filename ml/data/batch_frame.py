"""The batch as its suite sees it: one row a file, and what is known of earlier deliveries."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from ml.data.checkpoint import ROW_COLUMN
from ml.data.class_mix import class_mix_distance, share_of_each
from ml.params import DataParams

_CLOSED_AFTER = 4
"""A site that was silent for this many times `site_silence_days` counts as closed."""


@dataclass(frozen=True, slots=True)
class BatchFrame:
    """`frame`, `parameters` and `counts` of `Checkpoints.run` for the suite of the batch."""

    frame: pd.DataFrame
    parameters: dict[str, object]
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Earlier:
    """What came before a batch: when each site last delivered, and the last dataset's images by
    label, empty if there is none."""

    sites: Mapping[str, datetime]
    class_mix: Mapping[str, int]


def batch_frame(
    rows: pd.DataFrame,
    *,
    unreadable: int,
    rejected: Collection[int],
    repeated: Collection[int],
    earlier: Earlier,
    params: DataParams,
) -> BatchFrame:
    """Describe a batch.

    Args:
        rows: the readable images, with label, patient, site, ingested_at and `ROW_COLUMN`.
        unreadable: number of files that are not among them.
        rejected, repeated: values of `ROW_COLUMN`.
    """
    is_rejected, is_repeated = (
        rows[ROW_COLUMN].isin(list(chosen)) for chosen in (rejected, repeated)
    )
    accepted = rows[~(is_rejected | is_repeated)]
    label, patient = (accepted[name].reindex(rows.index) for name in ("label", "patient"))
    read = pd.DataFrame(
        {
            "label": label,
            "site": rows["site"],
            "unreadable": 0,
            "rejected": is_rejected.astype(int),
            "repeated": is_repeated.astype(int),
            "label_share": share_of_each(label),
            "patient_share": share_of_each(patient),
            "class_mix_distance": _distance(label, earlier.class_mix),
        }
    )
    frame = read.reset_index(drop=True).reindex(range(len(rows) + unreadable))
    frame.loc[len(rows) :, ["unreadable", "rejected", "repeated"]] = (1, 1, 0)
    silent = _silent_sites(earlier.sites, rows["ingested_at"], params.quality.site_silence_days)
    return BatchFrame(
        frame=frame,
        parameters={
            "known_sites": sorted(earlier.sites),
            "expected_sites": sorted({*silent, *rows["site"].dropna()}),
        },
        counts={
            "files": len(frame),
            "labelled": int(label.notna().sum()),
            "named": int(patient.notna().sum()),
            # Images without a patient may be anybody's: each counts for one.
            "patients": int(accepted["patient"].nunique() + accepted["patient"].isna().sum()),
            "datasets": int(bool(earlier.class_mix)),
            "known_sites": len(earlier.sites),
            "sites": rows["site"].nunique(),
        },
    )


def _distance(label: "pd.Series[str]", class_mix: Mapping[str, int]) -> float | None:
    return class_mix_distance(label, class_mix) if class_mix and label.notna().any() else None


def _silent_sites(
    sites: Mapping[str, datetime], arrived: "pd.Series[datetime]", days: int
) -> list[str]:
    if arrived.empty:
        return []
    now, silence = arrived.max(), timedelta(days=days)
    return sorted(
        site for site, last in sites.items() if silence < now - last <= _CLOSED_AFTER * silence
    )
