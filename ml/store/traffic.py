"""How versions behaved on live traffic, counted by the database over the log of answers.

Rows arrive late, after an outage of the database by hours: each call counts what is there.
"""

from datetime import datetime

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Engine, case, func, select

from ml.contract.records import Role
from ml.store.database import reading
from ml.store.tables import PREDICTIONS

_ROWS = PREDICTIONS.c


class Tally(BaseModel):
    """Counts of one version in one role.

    `failed` images are those that production answered because this version could not; they are
    not among the `answered`. `slow` is None where no limit was given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    answered: int
    failed: int
    critical: int
    referred: int
    slow: int | None

    @property
    def asked(self) -> int:
        """Images that this version was to answer."""
        return self.answered + self.failed


class ShadowTally(BaseModel):
    """A shadow's findings beside production's answers on the same images.

    `critical_disagreed`: one of the two said the critical label, the other did not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    scored: int
    critical_disagreed: int
    referral_disagreed: int


def tally(
    engine: Engine,
    *,
    version: str,
    role: Role,
    since: datetime,
    critical_label: str,
    slow_ms: float | None = None,
) -> Tally:
    """Count what `version` did in `role` at or after `since`.

    Args:
        slow_ms: answers that took longer are counted as slow.

    Raises:
        Unavailable: the database does not answer.
    """
    answers = select(
        func.count(),
        func.sum(case((_ROWS.label == critical_label, 1), else_=0)),
        func.sum(case((_ROWS.action == "refer", 1), else_=0)),
        func.sum(case((_ROWS.total_ms > (slow_ms or 0.0), 1), else_=0)),
    ).where(_ROWS.role == role, _ROWS.model_version == version, _ROWS.at >= since)
    failures = select(func.count()).where(_ROWS.instead_of == version, _ROWS.at >= since)
    with reading(engine) as connection:
        answered, critical, referred, slow = connection.execute(answers).one()
        failed = connection.scalars(failures).one()
    return Tally(
        version=version,
        answered=answered,
        failed=failed,
        critical=critical or 0,
        referred=referred or 0,
        slow=(slow or 0) if slow_ms is not None else None,
    )


def latency_quantile(
    engine: Engine, *, version: str, role: Role, since: datetime, quantile: float
) -> float | None:
    """The milliseconds within which the share `quantile` of the answers came; None for no answer.

    Raises:
        Unavailable: the database does not answer.
    """
    which = (_ROWS.role == role, _ROWS.model_version == version, _ROWS.at >= since)
    with reading(engine) as connection:
        n = connection.scalars(select(func.count()).where(*which)).one()
        if not n:
            return None
        query = select(_ROWS.total_ms).where(*which).order_by(_ROWS.total_ms)
        return float(connection.scalars(query.offset(min(n - 1, int(quantile * n))).limit(1)).one())


def tally_shadow(
    engine: Engine, *, version: str, since: datetime, critical_label: str
) -> ShadowTally:
    """Compare the shadow's findings at or after `since` with the answers they belong to.

    Raises:
        Unavailable: the database does not answer.
    """
    shadow, answer = PREDICTIONS.alias("shadow"), PREDICTIONS.alias("answer")
    differs = (shadow.c.label == critical_label) != (answer.c.label == critical_label)
    query = (
        select(
            func.count(),
            func.sum(case((differs, 1), else_=0)),
            func.sum(case((shadow.c.action != answer.c.action, 1), else_=0)),
        )
        .select_from(shadow.join(answer, shadow.c.shadow_of == answer.c.request_id))
        .where(shadow.c.role == "shadow", shadow.c.model_version == version, shadow.c.at >= since)
    )
    with reading(engine) as connection:
        scored, critical, referral = connection.execute(query).one()
    return ShadowTally(
        version=version,
        scored=scored,
        critical_disagreed=critical or 0,
        referral_disagreed=referral or 0,
    )
