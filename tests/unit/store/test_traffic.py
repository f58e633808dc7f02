from datetime import timedelta

import pytest
from sqlalchemy import Engine

from ml.contract.records import ModelIdentity, PredictionRecord
from ml.store.predictions import count_predictions, insert_predictions, read_predictions
from ml.store.traffic import latency_quantile, tally, tally_shadow
from tests.unit.store.examples import NOON, prediction

TRIED = ModelIdentity(name="vigie", version="4", bundle="ef" * 32)


def answers(
    role: str, labels: list[str], *, start: int = 0, **changes: object
) -> list[PredictionRecord]:
    identity = {} if role == "production" else {"model": TRIED}
    return [
        prediction(f"{role}-{start + number}", role=role, label=label, **(identity | changes))
        for number, label in enumerate(labels)
    ]


def test_each_role_and_version_is_counted_by_itself(engine: Engine) -> None:
    insert_predictions(
        engine,
        [
            *answers("production", ["malignant", "normal", "normal"], total_ms=10.0),
            *answers("canary", ["malignant", "malignant"], action="report", total_ms=30.0),
            *answers("production", ["normal"], start=3, instead_of="4"),
            *answers("canary", ["malignant"], start=9, at=NOON - timedelta(days=1)),
        ],
    )
    canary = tally(
        engine, version="4", role="canary", since=NOON, critical_label="malignant", slow_ms=20.0
    )
    assert canary.model_dump() == {
        "version": "4", "answered": 2, "failed": 1, "critical": 2, "referred": 0, "slow": 2,
    }  # fmt: skip
    assert canary.asked == 3
    production = tally(
        engine, version="3", role="production", since=NOON, critical_label="malignant"
    )
    assert (production.answered, production.critical, production.referred) == (4, 1, 4)
    assert (production.failed, production.slow) == (0, None)


def test_a_row_that_arrives_late_is_counted_from_then_on(engine: Engine) -> None:
    def counted() -> int:
        how = {"since": NOON, "critical_label": "malignant"}
        return tally(engine, version="4", role="canary", **how).answered

    assert counted() == 0
    insert_predictions(engine, answers("canary", ["normal"]))
    assert counted() == 1


def test_a_shadow_is_compared_with_the_answer_on_the_same_image(engine: Engine) -> None:
    pairs = [("malignant", "malignant"), ("normal", "malignant"), ("normal", "benign")]
    for number, (answered, shadowed) in enumerate(pairs):
        insert_predictions(
            engine,
            [
                prediction(f"a{number}", label=answered, action="report"),
                prediction(
                    f"s{number}", label=shadowed, role="shadow", model=TRIED, shadow_of=f"a{number}"
                ),
            ],
        )
    found = tally_shadow(engine, version="4", since=NOON, critical_label="malignant")
    assert (found.scored, found.critical_disagreed, found.referral_disagreed) == (3, 1, 3)


def test_what_a_shadow_made_is_no_answer(engine: Engine) -> None:
    insert_predictions(
        engine, [prediction("a"), prediction("s", role="shadow", model=TRIED, shadow_of="a")]
    )
    assert [record.request_id for record in read_predictions(engine)] == ["a"]
    assert count_predictions(engine) == 1


@pytest.mark.parametrize(("quantile", "expected"), [(0.0, 1.0), (0.5, 51.0), (0.95, 96.0)])
def test_the_quantile_of_the_latency(engine: Engine, quantile: float, expected: float) -> None:
    insert_predictions(
        engine, [prediction(f"{number}", total_ms=float(number)) for number in range(1, 101)]
    )
    found = latency_quantile(engine, version="3", role="production", since=NOON, quantile=quantile)
    assert found == expected


def test_without_answers_there_is_no_quantile(engine: Engine) -> None:
    how = {"version": "3", "role": "production", "since": NOON}
    assert latency_quantile(engine, **how, quantile=0.5) is None
