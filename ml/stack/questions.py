"""Ask the running server about images of the test split, as a client would."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np

from ml.contract.errors import Unavailable
from ml.data.dataset import load_dataset
from ml.data.image_store import ImageStore
from ml.journey.workspace import Workspace

_CLIENTS = 3
_TRIES = 20


@dataclass(frozen=True, slots=True)
class Question:
    """An image of the test split, as a PNG file, and its true label."""

    image: bytes
    truth: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said to a question."""

    truth: str
    body: dict[str, Any]

    @property
    def is_right(self) -> bool:
        """Whether the label is the true one."""
        return bool(self.body["label"] == self.truth)

    @property
    def is_referred(self) -> bool:
        """Whether the server passed the image on to a person."""
        return bool(self.body["decision"] == "refer")


def choose_questions(
    workspace: Workspace, dataset_id: str, *, count: int, seed: int
) -> list[Question]:
    """A random draw from the test split, in its natural mix of labels."""
    frame = load_dataset(workspace.datasets, dataset_id)
    test = frame[frame["split"] == "test"].sort_values("image_id")
    store = ImageStore(workspace.images)
    chosen = np.random.default_rng(seed).permutation(len(test))[:count]
    rows = test.iloc[chosen]
    return [
        Question(store.png(image_id), label)
        for image_id, label in zip(rows["image_id"], rows["label"], strict=True)
    ]


def wait_for_model(server_url: str, version: str, *, seconds: float) -> dict[str, Any]:
    """Wait until the server answers with this version; returns what `GET /model` says.

    Raises:
        Unavailable: it still answers with another one, or with none.
    """
    deadline = time.monotonic() + seconds
    said = "nothing"
    with httpx.Client(base_url=server_url, timeout=10, trust_env=False) as client:
        while time.monotonic() < deadline:
            try:
                answer = client.get("/model")
                if answer.is_success:
                    model: dict[str, Any] = answer.json()
                    said = f"version {model['version']}"
                    if str(model["version"]) == version:
                        return model
            except httpx.HTTPError as error:
                said = str(error)
            time.sleep(0.5)
    raise Unavailable(
        f"The server has not loaded version {version} within {seconds:.0f} s; it says: {said}.",
        remedy="See logs/server.log.",
    )


def ask(
    server_url: str, questions: Sequence[Question], on_answer: Callable[[int], None]
) -> list[Answer]:
    """Send all questions, a few at a time.

    Raises:
        Unavailable: the server refused an image or stayed overloaded.
    """
    limits = httpx.Limits(max_connections=_CLIENTS)
    with (
        httpx.Client(base_url=server_url, timeout=60, trust_env=False, limits=limits) as client,
        ThreadPoolExecutor(_CLIENTS) as clients,
    ):
        answers = []
        for answer in clients.map(lambda question: _ask_one(client, question), questions):
            answers.append(answer)
            on_answer(len(answers))
        return answers


def _ask_one(client: httpx.Client, question: Question) -> Answer:
    for _ in range(_TRIES):
        files = {"file": ("image.png", question.image, "image/png")}
        try:
            answer = client.post("/predict", files=files)
        except httpx.HTTPError as error:
            raise Unavailable(f"The server does not answer: {error}.") from error
        if answer.status_code not in {
            httpx.codes.TOO_MANY_REQUESTS,
            httpx.codes.SERVICE_UNAVAILABLE,
        }:
            break
        time.sleep(float(answer.headers.get("Retry-After", "1")))
    if not answer.is_success:
        raise Unavailable(f"The server answered {answer.status_code}: {answer.text[:300]}")
    return Answer(question.truth, answer.json())
