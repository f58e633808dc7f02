"""What must hold of datasets over time, whatever images come, go and are decided about."""

from hashlib import sha256

import pandas as pd
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from ml.data.conflicts import Reviewed
from ml.data.leakage import audit
from ml.data.placing import RELATED_COLUMNS, Placed, place_images
from tests.unit.data.home import small_params

LABELS = ("normal", "benign", "malignant")
PICTURES = 30
IMAGES = st.lists(
    st.tuples(
        st.sampled_from(LABELS),
        st.none() | st.integers(0, 12),
        st.integers(0, PICTURES + 20),
        st.sets(st.integers(0, 63), max_size=2),
    ),
    min_size=1,
    max_size=6,
)


def hash_of(picture: int, flipped: set[int]) -> int:
    """Near the other hashes of this picture, far from all of other pictures."""
    own = int.from_bytes(sha256(bytes([picture])).digest()[:8], "big")
    return own ^ sum(1 << bit for bit in flipped)


class GrowingManifest(RuleBasedStateMachine):
    """Images arrive, leave, get other labels; datasets are frozen in between."""

    def __init__(self) -> None:
        super().__init__()
        self.params = small_params()
        self.accepted: dict[str, dict[str, object]] = {}
        self.past = pd.DataFrame(columns=[*RELATED_COLUMNS, "split"])
        self.labels: dict[str, str] = {}
        self.arrived = 0
        self.last: Placed | None = None

    @initialize()
    def begin(self) -> None:
        self.arrive([(LABELS[n % 3], n // 3, n, set()) for n in range(PICTURES)])
        self.freeze("keep", 50)

    @rule(images=IMAGES)
    def arrive(self, images: list[tuple[str, int | None, int, set[int]]]) -> None:
        for label, patient, number, flipped in images:
            self.arrived += 1
            who = 13 if patient is None else patient
            image_id = f"{self.arrived * 7919 % 1009:04d}-{self.arrived}"
            self.accepted[image_id] = {
                "image_id": image_id,
                "label": label,
                # Of some patients only the study is known, of some each in a part of the images.
                "patient": f"p{patient}" if who < 6 or (who < 9 and number % 2) else None,
                "study": f"s{patient}" if 6 <= who < 13 else None,
                "phash": hash_of(number, flipped),
                "descriptor": None,
            }
        self.last = None

    @precondition(lambda self: self.accepted)
    @rule(choice=st.integers(0, 10**6))
    def leave(self, choice: int) -> None:
        del self.accepted[sorted(self.accepted)[choice % len(self.accepted)]]
        self.last = None

    @precondition(lambda self: self.accepted)
    @rule(choice=st.integers(0, 10**6), label=st.sampled_from(LABELS))
    def decide(self, choice: int, label: str) -> None:
        self.labels[sorted(self.accepted)[choice % len(self.accepted)]] = label
        self.last = None

    @precondition(lambda self: self.accepted)
    @rule(
        images=IMAGES,
        conflicts=st.sampled_from(["keep", "keep", "set_aside"]),
        max_tied_images=st.sampled_from([0, 4, 50]),
    )
    def arrive_and_freeze(self, images, conflicts: str, max_tied_images: int) -> None:
        self.arrive(images)
        self.freeze(conflicts, max_tied_images)

    def freeze(self, conflicts: str, max_tied_images: int) -> None:
        params = self.params.model_copy(
            update={"conflicts": conflicts, "max_tied_images": max_tied_images}
        )
        accepted = pd.DataFrame(list(self.accepted.values())).astype({"phash": "uint64"})
        self.last = place_images(accepted, self.past, params, Reviewed(labels=self.labels))
        self.check(self.last)
        rows = [self.past, self.last.frame[[*RELATED_COLUMNS, "split"]]]
        self.past = (
            pd.concat(rows).drop_duplicates(["image_id", "split"]).astype({"phash": "uint64"})
        )

    def check(self, placed: Placed) -> None:
        frame, past = placed.frame, self.past
        assert len(frame) + placed.set_aside + placed.disputed == len(self.accepted)
        # Nobody and nothing stands on two sides.
        for owner in ("group", "patient", "study"):
            assert (frame.groupby(owner)["split"].nunique() <= 1).all()
        now = frame.set_index("image_id")["split"]
        for split in ("train", "validation", "test"):
            were = past.loc[past["split"] == split, "image_id"]
            are = set(now[now.index.isin(were)])
            # What was tested is never trained on, and what was trained on never judges.
            assert are <= ({"test"} if split == "test" else {"train", "validation"})
        trained = past.loc[past["split"] == "train", "image_id"]
        assert set(now[now.index.isin(trained)]) <= {"train"}
        # The same by an audit that trusts no group.
        tested = past[past["split"] == "test"].drop_duplicates("image_id")
        assert audit(frame, self.params, tested).cross_split_groups == 0

    @invariant()
    def no_image_was_ever_in_test_and_elsewhere(self) -> None:
        per_image = self.past.groupby("image_id")["split"].agg(set)
        assert all(splits == {"test"} for splits in per_image if "test" in splits)


GrowingManifest.TestCase.settings = settings(max_examples=20, stateful_step_count=10, deadline=None)
TestOverTime = GrowingManifest.TestCase
