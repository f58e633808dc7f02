"""What a bundle says of itself where one member answers alone."""

from datetime import UTC, datetime
from typing import Any

from ml.contract.bundle import Bundle, InputSpec, MemberSpec, QuantizationSpec
from ml.contract.decision import DecisionPolicy


def bundle_of_one_member(
    architecture: str, side: int, labels: list[str], policy: DecisionPolicy, **changes: Any
) -> Bundle:
    """One float network on grey squares of `side` pixels; `changes` replace fields."""
    facts: dict[str, Any] = {
        "name": "vigie",
        "labels": labels,
        "input": InputSpec(height=side, width=side, channels=1),
        "preprocessing_version": 1,
        "temperature": 1.0,
        "policy": policy,
        "members": [
            MemberSpec(
                name=architecture,
                architecture=architecture,
                weight=1,
                precision="fp32",
                flip_rate=0,
            )
        ],
        "quantization": QuantizationSpec(
            calibration_method="minmax",
            calibration_images=1,
            per_channel=True,
            reduce_range=False,
            cpu_model="any",
            cpu_features=[],
        ),
        "dataset_id": "0" * 64,
        "run_key": "one-member",
        "git_commit": "0" * 40,
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return Bundle(**facts | changes)
