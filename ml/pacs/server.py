"""Ask the serving API about one image, as any client does."""

import base64
import io

import httpx
from PIL import Image

from ml.contract.decoding import Pixels
from ml.contract.errors import InputError, Unavailable
from ml.pacs.results import ImageFinding

_GENERAL = frozenset({401, 403, 404, 408, 429, 502, 503, 504})
"""Statuses that say nothing of the image."""
_SECONDS = 60.0
_REMEDY = "See that the server runs and has a model (GET /health/ready), and its address and key."


class NotAnswered(Unavailable):
    """A server that answers fails at this image, or at all of them."""

    code = "not-answered"


def ask_server(
    client: httpx.Client,
    pixels: Pixels,
    *,
    sop_instance_uid: str,
    study: str,
    scanner: str | None,
    review: bool,
) -> ImageFinding:
    """One answer with its heat map.

    Only pixels leave this process, as a PNG without any header.

    Args:
        client: its base URL is the server's.
        study: a pseudonym; images of one study get one model.
        review: whether the server may keep the pixels for a person. It sees no header that could
            tell it of text in them.

    Raises:
        InputError: the server refuses the image.
        NotAnswered: it fails at it.
        Unavailable: it does not answer now.
    """
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    form = {"study": study, "review": str(review).lower()}
    form |= {"scanner": scanner} if scanner else {}
    try:
        answer = client.post(
            "/predict",
            params={"explain": "true"},
            files={"file": ("image.png", file.getvalue(), "image/png")},
            data=form,
            timeout=_SECONDS,
        )
    except httpx.HTTPError as error:
        raise Unavailable(
            f"The server does not answer: {type(error).__name__}.", remedy=_REMEDY
        ) from error
    if answer.status_code in _GENERAL or answer.is_server_error:
        kind = Unavailable if answer.status_code in _GENERAL else NotAnswered
        raise kind(f"The server answered {answer.status_code}.", remedy=_REMEDY)
    if answer.is_error:
        raise InputError(str(answer.json().get("detail", answer.status_code)))
    told = answer.json()
    _, _, encoded = told.get("heat_map", "").partition(",")
    return ImageFinding(
        sop_instance_uid=sop_instance_uid,
        request_id=told["request_id"],
        label=told["label"],
        decision=told["decision"],
        reasons=told["reasons"],
        probabilities=told["probabilities"],
        model=told["model"]["name"],
        version=told["model"]["version"],
        bundle=told["model"]["bundle"],
        heat_map=base64.b64decode(encoded) if encoded else None,
    )
