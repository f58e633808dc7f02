"""MLflow's database after its artifacts moved: it names each by its whole address."""

from sqlalchemy import ColumnClause, column, func, inspect, literal, table, update

from ml.store.database import open_database, writing

_ADDRESSES = {
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "model_versions": ("source", "storage_location"),
    "logged_models": ("artifact_location",),
}


def move_artifacts(url: str, old: str, new: str) -> None:
    """Make every address under `old` one under `new`; MLflow has no call for it.

    Raises:
        Unavailable: the database does not answer.
    """
    prefix, target = old.rstrip("/") + "/", literal(new.rstrip("/") + "/")
    engine = open_database(url)
    try:
        with writing(engine) as connection:
            there = {
                name: {found["name"] for found in inspect(connection).get_columns(name)}
                for name in inspect(connection).get_table_names()
            }
            for name, columns in _ADDRESSES.items():
                for known in columns:
                    if known not in there.get(name, ()):
                        continue
                    address: ColumnClause[str] = column(known)
                    rest = func.substr(address, len(prefix) + 1)
                    connection.execute(
                        update(table(name, address))
                        .where(func.substr(address, 1, len(prefix)) == prefix)
                        .values({address: target + rest})
                    )
    finally:
        engine.dispose()
