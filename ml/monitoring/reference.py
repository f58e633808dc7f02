"""What a window is held against: the validation records in the bundle that answered."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.contract.bundle import REFERENCE_FILE, Bundle, bundle_sha256, open_bundle
from ml.contract.quality import STATISTIC_NAMES
from ml.monitoring.results import ReferenceFacts
from ml.monitoring.windows import (
    ACTION,
    ANSWER,
    EMBEDDING_PREFIX,
    ORIGINS,
    SCORE_PREFIX,
    WindowInvalid,
    component_names,
    with_derived,
)

GROUP, TRUTH = "group", "truth"
_ROLE = "role"


@dataclass(frozen=True, slots=True)
class Reference:
    """`rows` has the columns of a window and `group`, `truth` and `role`.

    Components of the embedding are only those of rows that did not fit the projection: it describes
    the others too well (docs/adr/0002). All other columns are of every row.
    """

    bundle: Bundle
    sha256: str
    rows: pd.DataFrame
    components: int
    grouped: bool

    @classmethod
    def open(cls, folder: Path) -> "Reference":
        """Read and verify the bundle in `folder`.

        Raises:
            BundleInvalid: it is not whole.
            WindowInvalid: its reference holds no baseline.
        """
        bundle = open_bundle(folder)
        rows = pd.read_parquet(folder / REFERENCE_FILE).reset_index(drop=True)
        if _ROLE not in rows or not (rows[_ROLE] == "baseline").any():
            raise WindowInvalid(
                "The bundle's reference has no baseline rows.", remedy="Export the model again."
            )
        return cls.of(rows, bundle, bundle_sha256(folder))

    @classmethod
    def of(cls, rows: pd.DataFrame, bundle: Bundle, sha256: str) -> "Reference":
        """From the rows of `reference.parquet`, where one that lacks `group` has a group of its
        own."""
        components = component_names(
            sum(name.startswith(EMBEDDING_PREFIX) for name in rows.columns)
        )
        grouped = GROUP in rows
        scores = [f"{SCORE_PREFIX}{label}" for label in bundle.labels]
        frame = rows[[*STATISTIC_NAMES, *scores]].astype("float64")
        frame[ANSWER], frame[TRUTH] = rows["predicted"], rows["label"]
        for name in (ACTION, _ROLE, *ORIGINS):
            frame[name] = rows[name]
        frame[GROUP] = pd.factorize(rows[GROUP if grouped else "image_id"])[0]
        embedding = rows[components].to_numpy(dtype=np.float64)
        embedding[(rows[_ROLE] != "baseline").to_numpy()] = np.nan
        frame = with_derived(frame, embedding, bundle.policy.quality_bounds)
        return cls(bundle, sha256, frame, len(components), grouped)

    @property
    def facts(self) -> ReferenceFacts:
        """For the report."""
        return ReferenceFacts(
            bundle=self.sha256,
            dataset_id=self.bundle.dataset_id,
            created_at=self.bundle.created_at,
            images=len(self.rows),
            groups=int(self.rows[GROUP].nunique()) if self.grouped else None,
            embedding_images=int((self.rows[_ROLE] == "baseline").sum()),
        )

    @property
    def groups(self) -> npt.NDArray[np.int64]:
        """(n,) number of the group of each row."""
        return self.rows[GROUP].to_numpy(dtype=np.int64)

    def label_indices(self, column: str) -> npt.NDArray[np.int64]:
        """(n,) labels of a column by their place in the bundle."""
        return label_indices(self.rows[column], self.bundle.labels)


def label_indices(labels: pd.Series, names: list[str]) -> npt.NDArray[np.int64]:
    """Each label by its place among `names`, −1 for one that is not among them."""
    return pd.Categorical(labels, categories=names).codes.astype(np.int64)
