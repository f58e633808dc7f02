"""What a form of the model board sends, read with bounds and checked."""

from typing import Literal
from urllib.parse import parse_qs

from fastapi import HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

_MAX_BYTES, _MAX_FIELDS = 16_384, 12
# A version's number, or nothing where there is none.
_NUMBER = r"^[0-9]{0,9}$"
# Neither control characters nor anything that a database cannot store.
_TEXT = r"^[^\x00-\x08\x0b-\x1f\x7f]*$"


class BoardForm(BaseModel):
    """One decision. `version` and `production` are what the person saw; `share` is in per cent."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    token: str = Field(max_length=500)
    reason: str = Field(min_length=3, max_length=1000, pattern=_TEXT)
    version: str = Field("", pattern=_NUMBER)
    production: str = Field("", pattern=_NUMBER)
    trial: Literal["canary", "shadow"] = "canary"
    share: float = Field(10.0, gt=0, le=100)


_SAID = {
    "reason": "Give a reason of 3 to 1,000 characters; it stands in the ledger.",
    "share": "Give a share above 0 and at most 100 per cent.",
}


async def read_fields(request: Request) -> dict[str, str]:
    """The fields as they were sent.

    Raises:
        HTTPException: 413 for more than the board's own forms send, 422 for no form.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BYTES:
            raise HTTPException(413, "The form is too large.")
    try:
        fields = parse_qs(
            body.decode(), keep_blank_values=True, strict_parsing=True, max_num_fields=_MAX_FIELDS
        )
    except ValueError as error:
        raise HTTPException(422, "That is no form of the model board.") from error
    return {name: values[-1] for name, values in fields.items()}


def read_form(fields: dict[str, str]) -> BoardForm:
    """The checked form.

    Raises:
        InputError: names the field and what it must be.
    """
    from ml.contract.errors import InputError

    try:
        return BoardForm.model_validate(fields)
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        raise InputError(
            f"The field {name} cannot be used.", remedy=_SAID.get(name, "Load the page again.")
        ) from error
