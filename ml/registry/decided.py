"""What the ledger decided about production last, and where that leaves the aliases."""

from dataclasses import dataclass

from sqlalchemy import Engine

from ml.contract.records import LedgerAction, LedgerEntry
from ml.registry.models import MODEL_NAME
from ml.store import ledger

NOTHING = "none"
"""In a line's subject in place of a number: that nothing is to be in production."""

_MOVES: tuple[LedgerAction, ...] = ("promote", "rollback")


@dataclass(frozen=True, slots=True)
class Decided:
    """A promotion or a rollback, as the ledger tells it.

    `target` is the version that it puts into production, None for none; `replaced` the one that
    leaves; `previous` what the alias `previous` names once it is carried out.
    """

    line: LedgerEntry
    target: str | None
    replaced: str | None
    previous: str | None

    @classmethod
    def of(cls, line: LedgerEntry) -> "Decided":
        """As a line tells it; one that only withdraws a promotion names `previous` itself."""
        number, told = line.subject.rpartition("/")[2], line.evidence
        replaced = _number(told.get("replaced"))
        return cls(
            line=line,
            target=None if number == NOTHING else number,
            replaced=replaced,
            previous=_number(told["previous"]) if "previous" in told else replaced,
        )

    def is_interrupted(self, production: str | None) -> bool:
        """Whether `production` still names what was to leave."""
        return production == self.replaced != self.target


def newest_decision(database: Engine) -> Decided | None:
    """The newest promotion or rollback, None where there was none.

    Raises:
        LedgerBroken: its line was changed after it was written.
        Unavailable: the database does not answer.
    """
    lines = ledger.newest(database, 1, _MOVES)
    return Decided.of(lines[0]) if lines else None


def previous_beside(database: Engine, version: str) -> str | None:
    """What `previous` named when `version` last came into production, None where nobody knows.

    Raises:
        LedgerBroken: a line about it was changed after it was written.
        Unavailable: the database does not answer.
    """
    lines = ledger.about(database, subject_of(version))
    moves = [line for line in lines if line.action in _MOVES]
    return Decided.of(moves[-1]).previous if moves else None


def is_refused(database: Engine, decided: Decided) -> bool:
    """Whether a person refused the version after it was decided on.

    Raises:
        LedgerBroken: a line about it was changed after it was written.
        Unavailable: the database does not answer.
    """
    answers = [
        line.action
        for line in ledger.about(database, decided.line.subject)
        if line.action in ("approve", "refuse") and line.sequence > decided.line.sequence
    ]
    return answers[-1:] == ["refuse"]


def subject_of(version: str | None) -> str:
    """How the ledger names a version, or that there is none."""
    return f"{MODEL_NAME}/{version or NOTHING}"


def _number(told: object) -> str | None:
    return told if isinstance(told, str) else None
