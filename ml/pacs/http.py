"""How an archive is asked over HTTP, and what becomes of its refusals."""

from collections.abc import Iterator, Set
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import httpx
from httpx_retries import Retry, RetryTransport

from ml.contract.errors import ImageTooLarge, NotFound, Unavailable
from ml.pacs.archive import NotGiven

_SECONDS = 60.0
_ERRORS = frozenset(range(400, 600))
_DELETED = frozenset({httpx.codes.NOT_FOUND, httpx.codes.GONE})
_GENERAL = frozenset({401, 403, 407, 408, 429, 502, 503, 504})
"""Statuses that say nothing of what was asked for."""


class _Dropped(Retry):
    """Asks again where there was no answer, and never after one: a status is told at once."""

    def is_retryable_status_code(self, status_code: int) -> bool:  # noqa: ARG002 - none is
        """An empty `status_forcelist` would stand for the library's own."""
        return False


# Archives close a connection that was idle for a moment (Orthanc after a second), perhaps just when
# it is used again. All that is asked here may be asked twice: storing an object again is no change.
_DROPPED = _Dropped(
    total=3,
    allowed_methods=["GET", "POST"],
    retry_on_exceptions=[httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError],
    backoff_factor=0.1,
    respect_retry_after_header=False,
)
_REMEDY = "See that it runs, and that its address, user and password are right."


class HttpArchive:
    """A connection to one archive; use it as a context."""

    def __init__(self, url: str, credentials: tuple[str, str] | None, *, max_bytes: int) -> None:
        """`credentials` are user and password; no object of more than `max_bytes` is read."""
        self._client = httpx.Client(
            base_url=url,
            auth=credentials,
            timeout=_SECONDS,
            trust_env=False,
            transport=RetryTransport(httpx.HTTPTransport(trust_env=False), retry=_DROPPED),
        )
        self._max_bytes = max_bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One answer, whole in memory.

        Raises:
            NotFound: the archive does not hold that.
            Unavailable: it does not answer, or not with success.
        """
        with self._stream(method, path, **options) as answer:
            answer.read()
            return answer

    @contextmanager
    def _stream(
        self, method: str, path: str, *, answers: Set[int] = frozenset(), **options: Any
    ) -> Iterator[httpx.Response]:
        """One answer, to be read piece by piece. Paths hold identifiers and are not told.

        Args:
            answers: errors whose answers the caller reads.
        """
        try:
            with self._client.stream(method, path, **options) as answer:
                # Where nothing can be stored is no sign that anything was deleted.
                if method == "GET" and answer.status_code in _DELETED:
                    raise NotFound("The archive no longer holds what was asked for.")
                if answer.is_error and answer.status_code not in answers:
                    raise Unavailable(
                        f"The archive answered {answer.status_code} to a {method}.", remedy=_REMEDY
                    )
                yield answer
        except httpx.HTTPError as error:
            raise Unavailable(
                f"The archive does not answer: {type(error).__name__}.", remedy=_REMEDY
            ) from None

    @contextmanager
    def _object(self, path: str, **options: Any) -> Iterator[httpx.Response]:
        """One object, to be read piece by piece.

        Raises:
            NotGiven: the archive fails at this one, perhaps halfway.
        """
        with self._stream("GET", path, answers=_ERRORS - _GENERAL, **options) as answer:
            if answer.is_error:
                raise NotGiven(f"The archive answered {answer.status_code} to an object's name.")
            try:
                yield answer
            except httpx.HTTPError as error:
                raise NotGiven(
                    f"The archive broke off an object: {type(error).__name__}."
                ) from None

    def _pieces(self, answer: httpx.Response) -> Iterator[bytes]:
        """A body's bytes, as long as they are not too many.

        Raises:
            ImageTooLarge: they are.
        """
        taken = 0
        for piece in answer.iter_bytes():
            taken += len(piece)
            if taken > self._max_bytes:
                raise ImageTooLarge(
                    f"The object has more than {self._max_bytes:,} bytes.",
                    remedy="Raise data.max_bytes, or keep it compressed in the archive.",
                )
            yield piece
