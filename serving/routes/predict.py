"""POST /predict and POST /batch_predict."""

from typing import Annotated

from fastapi import APIRouter, Depends, File, Query, Request, UploadFile

from serving.answers import Answer, Origin, Unanswered
from serving.problems import problem_of
from serving.routes import problems
from serving.schemas import BatchItem, BatchView, PredictionView
from serving.state import State
from serving.uploads import BoundedFormRoute, Review, origin, reader, study
from serving.views import prediction_view

router = APIRouter(tags=["predict"], route_class=BoundedFormRoute)
_PROBLEMS = problems(400, 408, 413, 415, 422, 429, 503)
_From = Annotated[Origin, Depends(origin)]
_Study = Annotated[str | None, Depends(study)]


@router.post("/predict", responses=_PROBLEMS, response_model_exclude_none=True)
async def predict(
    request: Request,
    state: State,
    origin: _From,
    study: _Study,
    file: Annotated[UploadFile, File(description="PNG, JPEG, TIFF or DICOM")],
    explain: Annotated[bool, Query(description="add the heat map")] = False,
    review: Review = True,
) -> PredictionView:
    """Answer one image."""
    answer = await state.service.predict(
        reader(file),
        request_id=request.state.request_id,
        origin=origin,
        explain=explain,
        study=study,
        review=review,
    )
    request.state.version, request.state.seconds = answer.model.version, answer.seconds
    return prediction_view(answer)


@router.post("/batch_predict", responses=_PROBLEMS, response_model_exclude_none=True)
async def batch_predict(
    request: Request,
    state: State,
    origin: _From,
    study: _Study,
    files: Annotated[list[UploadFile], File(description="PNG, JPEG, TIFF or DICOM, each")],
) -> BatchView:
    """Answer several images with one model; a bad file spoils no other."""
    model, outcomes = await state.service.predict_batch(
        [reader(file) for file in files], origin=origin, study=study
    )
    request.state.version = model.version
    return BatchView(
        model=model, results=[_item(index, outcome) for index, outcome in enumerate(outcomes)]
    )


def _item(index: int, outcome: Answer | Unanswered) -> BatchItem:
    if isinstance(outcome, Answer):
        return BatchItem(index=index, result=prediction_view(outcome))
    return BatchItem(index=index, problem=problem_of(outcome.error, outcome.request_id))
