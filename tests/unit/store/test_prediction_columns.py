from datetime import timedelta

import pyarrow as pa
import pytest
from sqlalchemy import Engine

from ml.contract.records import ModelIdentity
from ml.store.feedback import insert_feedback
from ml.store.prediction_columns import (
    Repeats,
    Window,
    count_repeats,
    read_columns,
    read_labelled_columns,
)
from ml.store.predictions import insert_predictions
from tests.unit.store.examples import NOON, STATISTICS, feedback, prediction

LABELS = ["normal", "benign", "malignant"]
WINDOW = Window(NOON, NOON + timedelta(hours=1), "3", "cd" * 32)


def read(engine: Engine, *, window: Window = WINDOW, rows: int = 100) -> pa.Table:
    return pa.concat_tables(read_columns(engine, window, LABELS, rows=rows))


def labelled(engine: Engine, **how: object) -> dict[str, tuple[str, float]]:
    tables = list(read_labelled_columns(engine, WINDOW, LABELS, **how))  # type: ignore[arg-type]
    return {
        row["request_id"]: (row["truth"], row["delay_hours"])
        for table in tables
        for row in table.to_pylist()
    }


def test_a_record_comes_back_as_columns(engine: Engine) -> None:
    record = prediction("r1", site="north", embedding=[1 / 3, 1e-300, -0.0])
    insert_predictions(engine, [record])
    (row,) = read(engine).to_pylist()
    assert row["probabilities"] == record.probabilities
    assert row["embedding"] == record.embedding
    assert row["statistics"] == STATISTICS.model_dump()
    told = ("request_id", "image_id", "label", "action", "site", "scanner")
    assert {name: row[name] for name in told} == record.model_dump(include=set(told))


def test_what_an_older_record_lacks_is_null(engine: Engine) -> None:
    insert_predictions(engine, [prediction("r1", statistics=STATISTICS)])
    assert read(engine)["statistics"].combine_chunks().field("border_share").to_pylist() == [None]


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_pieces_of_any_size_hold_every_row_once(engine: Engine, rows: int) -> None:
    at = [NOON + timedelta(seconds=n) for n in range(30)]
    insert_predictions(engine, [prediction(f"r{n}", at=at[n]) for n in range(30)])
    tables = list(read_columns(engine, WINDOW, LABELS, rows=rows))
    assert max(len(table) for table in tables) == min(rows, 30)
    assert sorted(pa.concat_tables(tables)["request_id"].to_pylist()) == sorted(
        f"r{n}" for n in range(30)
    )


def test_only_the_window_of_this_model_is_read(engine: Engine) -> None:
    def model(version: str, bundle: str) -> ModelIdentity:
        return ModelIdentity(name="vigie", version=version, bundle=bundle)

    insert_predictions(
        engine,
        [
            prediction("inside"),
            prediction("end", at=WINDOW.until),
            prediction("before", at=NOON - timedelta(seconds=1)),
            prediction("other version", model=model("4", "cd" * 32)),
            prediction("other registry", model=model("3", "ef" * 32)),
            prediction("shadow", role="shadow", shadow_of="inside"),
        ],
    )
    assert read(engine)["request_id"].to_pylist() == ["inside"]
    assert count_repeats(engine, WINDOW).images == 1


def test_an_empty_window_has_no_pieces(engine: Engine) -> None:
    assert list(read_columns(engine, WINDOW, LABELS)) == []
    assert count_repeats(engine, WINDOW) == Repeats(0, 0, 0)
    assert Repeats(0, 0, 0).effective == 0


def test_images_sent_again_are_counted(engine: Engine) -> None:
    images = ["aa" * 32] * 3 + ["bb" * 32]
    insert_predictions(engine, [prediction(f"r{n}", image_id=i) for n, i in enumerate(images)])
    repeats = count_repeats(engine, WINDOW)
    assert repeats == Repeats(images=4, distinct=2, squares=10)
    assert repeats.effective == pytest.approx(1.6)


def test_the_newest_usable_label_of_an_answer_is_its_truth(engine: Engine) -> None:
    insert_predictions(engine, [prediction("r1"), prediction("r2"), prediction("r3")])
    insert_feedback(
        engine,
        [
            feedback("f1", "r1", label="benign", at=NOON + timedelta(hours=2)),
            feedback("f2", "r1", label="normal", at=NOON + timedelta(hours=5)),
            feedback("f3", "r2", label="lipoma"),
            feedback("f4", "elsewhere"),
        ],
    )
    assert labelled(engine) == {"r1": ("normal", 5.0)}
    assert labelled(engine, known_until=NOON + timedelta(hours=3)) == {"r1": ("benign", 2.0)}


def test_labels_of_the_queue_measure_only_where_chance_chose(engine: Engine) -> None:
    insert_predictions(engine, [prediction("r1"), prediction("r2"), prediction("r3")])
    insert_feedback(
        engine,
        [
            feedback("f1", "r1", source="review"),
            feedback("f2", "r2", source="sample"),
            feedback("f3", "r3"),
        ],
    )
    assert labelled(engine).keys() == {"r2", "r3"}


def test_a_window_is_found_by_an_index(engine: Engine) -> None:
    """A week of one version must not be looked for in the whole log."""
    from sqlalchemy import text

    from ml.store.tables import PREDICTIONS

    query = PREDICTIONS.select().where(*WINDOW.conditions)
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET enable_seqscan = off"))  # the table is empty
            plan = connection.execute(
                text(f"EXPLAIN {query.compile(engine, compile_kwargs={'literal_binds': True})}")
            )
        else:
            compiled = query.compile(engine)
            plan = connection.exec_driver_sql(
                f"EXPLAIN QUERY PLAN {compiled}", tuple(compiled.params.values())
            )
        told = " ".join(str(row) for row in plan)
    assert "ix_predictions_model_version_at" in told or "ix_predictions_model_version" in told
