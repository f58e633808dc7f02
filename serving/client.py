"""A client of the server: typed answers, typed errors, and retries of what is safe to repeat.

    with Client("http://localhost:8080") as vigie:
        answer = vigie.predict(Path("image.png"))
        print(answer.label, answer.decision, answer.reasons)

Needs the extra `client` alone: no part of the server is imported.
"""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO, Self, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from serving.client_errors import (
    AnswerInvalid,
    NoAnswer,
    RequestRefused,
    ServerBusy,
    ServerFailed,
    ServerProblem,
)
from serving.client_retries import AskedToWaitLonger, Retries, retry_after
from serving.schemas import (
    BatchView,
    FeedbackRequest,
    FeedbackView,
    HealthView,
    ModelView,
    PredictionView,
    Problem,
)

ImageFile = bytes | str | Path | BinaryIO
"""An image file: its bytes, its path, or an open binary file, read from where it stands."""

_CONNECT_SECONDS = 5.0
# A file's name may be a patient's name, and the server does not need it.
_FILE_NAME = "image"
_Answer = TypeVar("_Answer", bound=BaseModel)


class Client:
    """Asks one server. Thread-safe; a context manager that closes its connections.

    Every method raises `RequestRefused` (4xx), `ServerBusy` (429 or 503, after the retries),
    `ServerFailed` (other 5xx), `NoAnswer` (no connection, or a timeout) and `AnswerInvalid`.

    Args:
        url: the server's address, with a path where it stands behind one.
        timeout: seconds to wait for each piece of an answer.
        retries: how often a request is repeated at most. Questions are repeated after any failure
            that may pass; images and feedback only where the server says that it did nothing (429,
            503) or was never reached, so that nothing is logged twice.
        patience: the longest pause before a repetition, in seconds. A server that asks for more
            by its Retry-After is not asked again: the error says how long it wants.
        key: the API key or OpenID Connect token, where the server asks for one.
        headers: sent with every request, for whatever stands in front of the server.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float = 30.0,
        retries: int = 3,
        patience: float = 10.0,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._retries = Retries(total=retries, patience=patience)
        self._http = httpx.Client(
            base_url=url,
            headers={**({"X-API-Key": key} if key else {}), **(headers or {})},
            timeout=httpx.Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS)),
            transport=self._retries.transport(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the client cannot be used afterwards."""
        self._http.close()

    def predict(
        self,
        image: ImageFile,
        *,
        explain: bool = False,
        site: str | None = None,
        scanner: str | None = None,
        study: str | None = None,
        review: bool = True,
    ) -> PredictionView:
        """Ask about one image.

        Args:
            explain: also ask for the heat map (and for a preview of DICOM and TIFF).
            site: where the image comes from, for monitoring by site.
            scanner: what made the image, for monitoring by scanner.
            study: images that name the same one are answered by the same version while a canary
                is tried. The server forgets it after that choice.
            review: whether the image's pixels may be kept for review by a person; false where they
                may hold text that the file does not declare.

        Raises:
            OSError: the path cannot be read.
        """
        return self._post(
            "predict",
            PredictionView,
            files=[("file", (_FILE_NAME, _bytes_of(image)))],
            data=_given(
                site=site, scanner=scanner, study=study, review=None if review else "false"
            ),
            params={"explain": explain},
        )

    def predict_batch(
        self,
        images: Iterable[ImageFile],
        *,
        site: str | None = None,
        scanner: str | None = None,
        study: str | None = None,
    ) -> BatchView:
        """Ask about several images, which one model answers; each has a result or a problem.

        Args:
            site, scanner, study: as for `predict`, of all images.

        Raises:
            OSError: a path cannot be read.
        """
        return self._post(
            "batch_predict",
            BatchView,
            files=[("files", (_FILE_NAME, _bytes_of(image))) for image in images],
            data=_given(site=site, scanner=scanner, study=study),
        )

    def feedback(
        self, request_id: str, *, label: str, author: str, comment: str = ""
    ) -> FeedbackView:
        """Send a person's label for an answered image.

        Raises:
            ValidationError: pydantic's; a field is empty or too long.
        """
        body = FeedbackRequest(request_id=request_id, label=label, author=author, comment=comment)
        return self._post("feedback", FeedbackView, json=body.model_dump())

    def model(self) -> ModelView:
        """Which model answers now."""
        return _read(self._send("GET", "model"), ModelView)

    def ready(self) -> HealthView:
        """Whether images can be answered now, and if not, why; asked once."""
        response = self._send("GET", "health/ready", once=True)
        if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            return _parsed(response, HealthView)
        return _read(response, HealthView)

    def _post(self, path: str, kind: type[_Answer], **content: Any) -> _Answer:
        return _read(self._send("POST", path, **content), kind)

    def _send(
        self, method: str, path: str, *, once: bool = False, **content: Any
    ) -> httpx.Response:
        extensions = self._retries.extensions(method, once=once)
        request = self._http.build_request(method, path, extensions=extensions, **content)
        try:
            return self._http.send(request)
        except AskedToWaitLonger as asked:
            asked.response.read()
            return asked.response
        except httpx.TransportError as error:
            raise NoAnswer(
                f"{self._http.base_url} gave no answer ({type(error).__name__}).",
                remedy="Check the address and that the server runs, or allow more time.",
            ) from error


def _read(response: httpx.Response, kind: type[_Answer]) -> _Answer:
    if not response.is_success:
        raise _error(response)
    return _parsed(response, kind)


def _parsed(response: httpx.Response, kind: type[_Answer]) -> _Answer:
    try:
        # A newer server may say more than this client knows.
        return kind.model_validate_json(response.content, extra="ignore")
    except ValidationError as error:
        raise AnswerInvalid(
            f"The answer is not a {kind.__name__} ({error.error_count()} faults).",
            remedy="Check the address, and that client and server are of one release.",
        ) from error


def _error(response: httpx.Response) -> ServerProblem:
    status = response.status_code
    try:
        problem = Problem.model_validate_json(response.content, extra="ignore")
    except ValidationError:
        problem = Problem(
            type="about:blank",
            title=response.reason_phrase or "The request failed",
            status=status,
            detail=f"Status {status} came without a problem document.",
            remedy="Look at what stands between this client and the server.",
            request_id=response.headers.get("X-Request-ID", ""),
        )
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        return ServerBusy(problem, retry_after(response))
    kind = ServerFailed if response.is_server_error else RequestRefused
    return kind(problem)


def _bytes_of(image: ImageFile) -> bytes:
    if isinstance(image, bytes):
        return image
    return Path(image).read_bytes() if isinstance(image, str | Path) else image.read()


def _given(**fields: str | None) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value is not None}
