"""Who calls a page of the plugin, what they may do, and whether they mean it.

Airflow does not look at who asks a plugin, so this does, with Airflow's own login and permissions.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPBearer
from itsdangerous import BadSignature, URLSafeTimedSerializer

if TYPE_CHECKING:
    from ml.journey.board import BoardAction

_TRAIN, _ROLLBACK = "vigie_train", "vigie_rollback"
_SALT = "vigie-board"
_TOKEN_SECONDS = 12 * 3600


async def logged_in(request: Request) -> Any:
    """Airflow's user, by cookie or token; 401 for nobody."""
    # Every component of Airflow loads plugins; the API server alone needs this.
    from airflow.api_fastapi.core_api.security import get_user

    return await get_user(request, None, await HTTPBearer(auto_error=False)(request))


@dataclass(frozen=True, slots=True)
class Caller:
    """A user who may see the board, and what they may do on it."""

    user: Any
    may: "frozenset[BoardAction]"

    @property
    def actor(self) -> str:
        """The name as the ledger knows it, the same as of who triggers a DAG."""
        return f"airflow:{self.user.get_name()}"

    def token(self) -> str:
        """What a form of this caller's page carries."""
        return _signer().dumps(str(self.user.get_id()))

    def check(self, request: Request, token: str) -> None:
        """Refuse a form that this caller's browser did not get from the board.

        Raises:
            HTTPException: 403.
        """
        try:
            owner = _signer().loads(token, max_age=_TOKEN_SECONDS)
        except BadSignature:
            owner = None
        if owner != str(self.user.get_id()) or not _same_origin(request):
            raise HTTPException(403, "The form is too old or not of this page: load it again.")


def caller(user: Annotated[Any, Depends(logged_in)]) -> Caller:
    """Who may see the training DAG sees the board, and does there what they may do in Airflow:

    answer its approvals, start it, and start a rollback.

    Raises:
        HTTPException: 403 for who may not see it.
    """
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity

    if not _allows(user, "GET", _TRAIN):
        raise HTTPException(403, f"You may not see {_TRAIN}.")
    allowed: set[BoardAction] = set()
    if _allows(user, "PUT", _TRAIN, DagAccessEntity.HITL_DETAIL):
        allowed |= {"promote", "refuse"}
    if _allows(user, "POST", _TRAIN, DagAccessEntity.RUN):
        allowed |= {"canary", "shadow", "withdraw"}
    if _allows(user, "POST", _ROLLBACK, DagAccessEntity.RUN):
        allowed |= {"rollback"}
    return Caller(user, frozenset(allowed))


def _allows(user: Any, method: Any, dag_id: str, entity: Any = None) -> bool:
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.models.resource_details import DagDetails
    from airflow.models.dag import DagModel

    return get_auth_manager().is_authorized_dag(
        method=method,
        access_entity=entity,
        details=DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id)),
        user=user,
    )


def _signer() -> URLSafeTimedSerializer:
    from airflow.configuration import conf

    return URLSafeTimedSerializer(conf.get("api", "secret_key"), salt=_SALT)


def _same_origin(request: Request) -> bool:
    """As the browser says; one that says nothing is held by the token alone."""
    from airflow.configuration import conf

    said = request.headers.get("sec-fetch-site")
    if said is not None:
        return said == "same-origin"
    origin = request.headers.get("origin")
    known = {request.headers.get("host"), urlsplit(conf.get("api", "base_url", fallback="")).netloc}
    return origin is None or urlsplit(origin).netloc in known - {""}
