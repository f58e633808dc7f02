"""Which loaded model answers a request: production, or for its share of them the canary."""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from serving.errors import NoModel
from serving.model_slot import LoadedModel, ModelSlot

_SPAN = 2**64


def falls_to_canary(key: str, canary: LoadedModel) -> bool:
    """Whether the canary answers requests of this key.

    The same key gets the same model for as long as the canary stays; more weight only adds keys.
    Another canary meets other keys, since its bundle is hashed with them.
    """
    digest = hashlib.sha256(f"{canary.identity.bundle}:{key}".encode()).digest()
    return int.from_bytes(digest[:8]) < canary.weight * _SPAN


class Traffic:
    """Splits requests between two slots; the canary's may be empty. Thread-safe."""

    def __init__(self, production: ModelSlot, canary: ModelSlot) -> None:
        self._production = production
        self._canary = canary

    @contextmanager
    def lease(self, key: str) -> Iterator[LoadedModel]:
        """The model for this key, kept alive until the end of the block.

        Args:
            key: a request's id, or the digest of what should stay with one model.

        Raises:
            NoModel: production has none yet; a canary never answers alone.
        """
        with ExitStack() as leases:
            model = leases.enter_context(self._production.lease())
            canary = self._canary.current
            if canary is not None and falls_to_canary(key, canary):
                with suppress(NoModel):  # withdrawn in this moment
                    model = leases.enter_context(self._canary.lease())
            yield model
