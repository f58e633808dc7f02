"""The model that answers now, replaced while requests run."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from ml.contract.records import ModelIdentity, Role
from ml.contract.session import ModelSession
from serving.errors import NoModel


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """An opened bundle, who it is, and the alias that led to it (None for a folder).

    `weight` is the share of requests that it answers in its role, 0…1; a shadow answers none.
    """

    session: ModelSession
    identity: ModelIdentity
    alias: str | None
    loaded_at: datetime
    role: Role = "production"
    weight: float = 1.0


class ModelSlot:
    """Holds one model. Thread-safe.

    Work that began with a model ends with it: it holds a lease, and the model that was replaced
    is unused when its last lease is given back.
    """

    def __init__(self) -> None:
        self._current: LoadedModel | None = None
        self._leases: Counter[LoadedModel] = Counter()
        self._changed = threading.Condition()

    @property
    def current(self) -> LoadedModel | None:
        """The model that answers now, to look at; to run it, take a lease."""
        return self._current

    @contextmanager
    def lease(self) -> Iterator[LoadedModel]:
        """The current model, kept alive until the end of the block.

        Raises:
            NoModel: none is loaded yet.
        """
        with self._changed:
            model = self._current
            if model is None:
                raise NoModel("No model is loaded yet.", remedy="Try again in a few seconds.")
            self._leases[model] += 1
        try:
            yield model
        finally:
            with self._changed:
                self._leases[model] -= 1
                if not self._leases[model]:
                    del self._leases[model]
                    self._changed.notify_all()

    def swap(self, model: LoadedModel | None) -> LoadedModel | None:
        """Make `model` the current one at once, or nothing, and return the one before."""
        with self._changed:
            before, self._current = self._current, model
            return before

    def wait_until_unused(self, model: LoadedModel, timeout: float) -> bool:
        """Wait until nobody holds a lease on `model`; False after `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: model not in self._leases, timeout)
