"""What is said of a study, and what a round with the archive came to."""

from pydantic import BaseModel, ConfigDict, Field

_REFER = "refer"


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ImageFinding(_Result):
    """The server's answer about one image of a study. `heat_map` is a PNG to be stretched over
    the image."""

    sop_instance_uid: str
    request_id: str
    label: str
    decision: str
    reasons: list[str]
    probabilities: dict[str, float]
    model: str
    version: str
    bundle: str
    heat_map: bytes | None = None

    @property
    def is_referred(self) -> bool:
        """Whether a person has to look at it."""
        return self.decision == _REFER

    @property
    def advice(self) -> str:
        """What to do with it, in words that nobody takes for advice about the patient."""
        return "Refer to a person" if self.is_referred else "No doubt noted"


class AnswerRound(_Result):
    """Studies that were answered: their report is in the archive; `known` ones had theirs before.

    `images` and `refused` count images. `unreported` studies have no report, as none of their
    images was analysed; `failed` ones are tried again, `given_up` ones never.
    """

    studies: int = Field(ge=0)
    known: int = Field(ge=0)
    unreported: int = Field(ge=0)
    images: int = Field(ge=0)
    refused: int = Field(ge=0)
    failed: int = Field(ge=0)
    given_up: int = Field(ge=0)


class CollectRound(_Result):
    """Studies whose images landed; `known` images had landed before.

    `landed`, `known` and `refused` count images; `failed` studies are tried again, `given_up`
    ones never.
    """

    studies: int = Field(ge=0)
    landed: int = Field(ge=0)
    known: int = Field(ge=0)
    refused: int = Field(ge=0)
    failed: int = Field(ge=0)
    given_up: int = Field(ge=0)
