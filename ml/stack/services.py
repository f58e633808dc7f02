"""Redis and PostgreSQL, which somebody else runs, before anything that needs them is started."""

from sqlalchemy import text

from ml.contract.errors import Unavailable
from ml.stack.config import Cluster, StackConfig
from ml.stack.errors import ServiceMissing
from ml.store.database import open_database, reading

_DATABASES = ("airflow", "mlflow", "vigie")


def require_services(config: StackConfig) -> None:
    """See that both answer, and make the databases that are missing.

    Raises:
        ServiceMissing: what Celery needs is not installed.
        Unavailable: a service does not answer, or refuses the user.
    """
    if config.cluster:
        _require_broker(config.cluster)
    if config.postgres:
        _make_databases(config)


def answering_workers(cluster: Cluster, *, seconds: float) -> set[str]:
    """The workers that take tasks now. Never raises: silence is an answer."""
    from celery import Celery
    from kombu.exceptions import KombuError

    with Celery(broker=cluster.broker, set_as_current=False) as app:
        try:
            nodes = [f"celery@{name}" for name in cluster.names]
            inspect = app.control.inspect(nodes, timeout=seconds, limit=len(nodes))
            found = inspect.ping() or {}
        except (OSError, KombuError, *app.connection_for_read().connection_errors):
            return set()
    return {node.partition("@")[2] for node in found}


def _require_broker(cluster: Cluster) -> None:
    try:
        from redis import Redis, RedisError
    except ImportError as error:
        raise ServiceMissing(
            "Celery is not installed.", remedy="Install it: uv sync --extra cluster."
        ) from error
    try:
        with Redis.from_url(cluster.broker, socket_timeout=5, socket_connect_timeout=5) as redis:
            redis.ping()
    except (RedisError, ValueError) as error:
        raise Unavailable(
            f"The Redis at VIGIE_BROKER_URL does not answer: {error}.",
            remedy="Start it, or correct the address, user or password.",
        ) from error


def _make_databases(config: StackConfig) -> None:
    engine = open_database(config.database("postgres"))
    try:
        with reading(engine) as connection:
            there = set(connection.scalars(text("SELECT datname FROM pg_database")))
        for name in _DATABASES:
            if name not in there:
                with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                    connection.execute(text(f"CREATE DATABASE {name}"))
    finally:
        engine.dispose()
