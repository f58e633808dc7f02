"""POST /hooks/registry."""

import time
from typing import Annotated

from fastapi import APIRouter, Header, Request

from ml.contract.errors import NotFound
from serving.hint import check_hint
from serving.routes import problems
from serving.state import State

router = APIRouter(prefix="/hooks", tags=["model"])
_Word = Annotated[str, Header(max_length=200)]


@router.post("/registry", status_code=204, responses=problems(403, 404, 408, 413, 422, keyed=False))
async def registry(
    request: Request,
    state: State,
    x_mlflow_signature: _Word = "",
    x_mlflow_delivery_id: _Word = "",
    x_mlflow_timestamp: _Word = "",
) -> None:
    """MLflow's webhook: look at the aliases now. What it says is not read."""
    secret = state.settings.webhook_secret
    if not secret:  # an empty one would let anybody sign
        raise NotFound("There is no webhook here.", remedy="Set VIGIE_WEBHOOK_SECRET.")
    check_hint(
        secret.get_secret_value(),
        await request.body(),
        signature=x_mlflow_signature,
        delivery=x_mlflow_delivery_id,
        timestamp=x_mlflow_timestamp,
        now=time.time(),
    )
    state.look_now()
