"""GET /model."""

from fastapi import APIRouter

from serving.routes import problems
from serving.schemas import ModelView
from serving.state import State
from serving.views import model_view

router = APIRouter(tags=["model"])


@router.get("/model", responses=problems(503))
async def model(state: State) -> ModelView:
    """Which model answers now, and which are tried beside it."""
    with state.slot.lease() as loaded:
        return model_view(loaded, state.beside)
