"""GET /metrics."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from serving.routes import problems
from serving.state import State

router = APIRouter(tags=["metrics"])


@router.get("/metrics", response_class=Response, responses=problems())
def metrics(state: State) -> Response:
    """Prometheus text format."""
    return Response(state.metrics.render(), media_type=CONTENT_TYPE_LATEST)
