"""GET /health/live and /health/ready."""

from fastapi import APIRouter, Response

from serving.health import reasons_not_ready
from serving.schemas import HealthView
from serving.state import State

router = APIRouter(prefix="/health", tags=["health"])


@router.get("/live")
async def live() -> HealthView:
    """The process answers."""
    return HealthView(status="live")


@router.get("/ready", responses={503: {"model": HealthView, "description": "Not ready"}})
def ready(state: State, response: Response) -> HealthView:
    """Images can be answered and logged."""
    reasons = reasons_not_ready(state)
    if reasons:
        response.status_code = 503
    return HealthView(status="not ready" if reasons else "ready", reasons=reasons)
