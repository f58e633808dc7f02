"""What training leaves behind, as small JSON-able records."""

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ml.contract.bundle import AdaptiveVote, InputSpec
from ml.contract.decision import DecisionPolicy

Phase = Literal["head", "fine_tune"]


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ValidationScores(_Result):
    """One model on the validation split; `log_loss` in nats."""

    log_loss: float
    accuracy: float
    macro_f1: float


class EpochRecord(_Result):
    """One pass over the training split. `loss` includes class weights and regularisation.

    `left` are the epochs of the phase that are still planned; it may stop earlier.
    """

    epoch: int
    phase: Phase
    left: int
    learning_rate: float
    loss: float
    validation: ValidationScores
    seconds: float


class MemberResult(_Result):
    """One trained member: all that is needed to rebuild it beside its weights file.

    `fingerprint` identifies data and parameters, so that a finished member is not trained twice.
    `initial_weights_sha256` is that of the file it started from, None where there was none.
    `threads` computed it: another number may sum in another order and differ in the last bits.
    `weights_sha256` is the digest of the kept weights' values, whatever the file around them.
    `validation` belongs to the weights that were kept, those of `best_epoch` (0: before training).
    `multiplications` are those of one image in its backbone; None where older code trained it.
    """

    member: str
    architecture: str
    fingerprint: str
    labels: list[str]
    input: InputSpec
    dropout: float
    l2: float
    initialisation: str
    initial_weights_sha256: str | None = None
    epochs: int
    best_epoch: int
    seconds: float
    threads: int
    weights_sha256: str
    multiplications: int | None = None
    validation: ValidationScores
    history: list[EpochRecord]


class EnsembleDefinition(_Result):
    """The vote, fitted on validation data only.

    Probabilities are `softmax(log(Σ weight × softmax(logits)) / temperature)`. `members` sum to
    1; a weight of 0 leaves a member out of the served graph, unless it answers first in an
    `adaptive` vote. `projection_rows` are positions in the validation split that fitted the
    embedding projection; the others are the drift baseline.
    """

    members: Mapping[str, float] = Field(min_length=1)
    temperature: float = Field(gt=0)
    adaptive: AdaptiveVote | None = None
    policy: DecisionPolicy
    embedding_components: int = Field(ge=1)
    projection_rows: list[int]
    validation: ValidationScores

    @model_validator(mode="after")
    def _weights_sum_to_one(self) -> Self:
        if abs(sum(self.members.values()) - 1) > 1e-6:
            raise ValueError("member weights must sum to 1")
        return self

    @property
    def voters(self) -> dict[str, float]:
        """Members with a weight above 0, in order."""
        return {name: weight for name, weight in self.members.items() if weight > 0}
