"""Every look at a test split costs: the chance of a false promotion is spent over all its uses.

Retrained often enough, a model that is not good enough passes any single 95 % bound by luck. So
the chance allowed over all uses of one test split is divided among them beforehand (alpha
spending: Foster & Stine 2008; Tian & Ramdas, Online control of the familywise error rate, 2021).
By the union bound this holds however much the candidates' answers resemble each other, as long as
they were not trained on what the test split said.
"""

import hashlib
from collections.abc import Iterable, Set

from ml.evaluation.gate_results import SplitWear
from ml.params import GateParams

_WORN_SHARE = 0.5


def confidence_of_use(use: int, params: GateParams) -> float:
    """The confidence of one-sided bounds at the `use`-th use, from 1.

    The error allowed falls as 1 / use and sums to `false_promotion` over `max_test_uses`; beyond
    them it stays at the last one's.

    Raises:
        ValueError: `use` is under 1.
    """
    if use < 1:
        raise ValueError(f"uses are counted from 1, not {use}")
    uses = params.max_test_uses
    harmonic = sum(1 / number for number in range(1, uses + 1))
    return 1 - params.false_promotion / (min(use, uses) * harmonic)


def confidence_after(wear: SplitWear | None, params: GateParams) -> float:
    """The confidence at this wear; where it is unknown, the strictest."""
    return confidence_of_use(wear.use if wear else params.max_test_uses, params)


def split_digest(image_ids: Iterable[str]) -> str:
    """sha256 over the sorted image ids: the identity of a test split, whatever its dataset."""
    return hashlib.sha256("\n".join(sorted(image_ids)).encode()).hexdigest()


def is_worn_by(split: Set[str], earlier: Set[str]) -> bool:
    """Whether a use of `earlier` counts as one of `split`: half of its images were in it.

    A few new images do not make a test split fresh.
    """
    return len(split & earlier) >= _WORN_SHARE * len(split)
