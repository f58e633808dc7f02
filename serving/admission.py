"""How many images may be under way: beyond that, a refusal at once is kinder than a long wait."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

from serving.errors import Overloaded

_SMOOTHING = 0.05


class Admission:
    """Counts images that run or wait. Used on the event loop only, hence without a lock.

    A request is admitted while fewer images wait than `queue_limit`; a batch then brings all its
    images, so the limit may be passed by one batch.
    """

    def __init__(self, workers: int, queue_limit: int) -> None:
        self._workers = workers
        self.limit = workers + queue_limit
        self._seconds_per_image = 0.05
        self.pending = 0

    @contextmanager
    def admit(self, images: int) -> Iterator[None]:
        """Hold a place for `images` images.

        Raises:
            Overloaded: too many are waiting; names the seconds until most of them are done.
        """
        if self.pending >= self.limit:
            seconds = self.pending * self._seconds_per_image / self._workers
            raise Overloaded(
                f"{self.pending} images are under way, as many as may be.",
                retry_after=max(1, math.ceil(seconds)),
                remedy="Try again after the time in Retry-After, or send fewer at once.",
            )
        self.pending += images
        try:
            yield
        finally:
            self.pending -= images

    def learn(self, seconds: float) -> None:
        """Take in how long one image took a worker."""
        self._seconds_per_image += _SMOOTHING * (seconds - self._seconds_per_image)
