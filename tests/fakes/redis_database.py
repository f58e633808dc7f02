"""A database of this machine's Redis that nobody uses."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis


@contextmanager
def empty_redis(host: str = "127.0.0.1", port: int = 6379) -> Iterator[str]:
    """The URL of an empty database, emptied again in the end; skips the test without Redis."""
    for number in reversed(range(16)):
        url = f"redis://{host}:{port}/{number}"
        database = redis.Redis.from_url(url, socket_connect_timeout=2)
        try:
            is_empty = database.dbsize() == 0
        except redis.RedisError as error:
            pytest.skip(f"no Redis at {host}:{port}: {error}")
        if is_empty:
            break
    else:
        pytest.skip(f"all databases of the Redis at {host}:{port} are in use")
    try:
        yield url
    finally:
        database.flushdb()
        database.close()
