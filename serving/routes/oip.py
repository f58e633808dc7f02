"""The Open Inference Protocol v2 (as KServe, Triton and MLServer speak it), JSON tensors."""

from importlib.metadata import version as package_version
from typing import Any

from fastapi import APIRouter, Request, Response

from ml.contract.errors import NotFound
from serving.health import reasons_not_ready
from serving.model_slot import LoadedModel
from serving.routes import problems
from serving.state import State
from serving.tensors import INPUT_NAME, InferenceRequest, InferenceResponse, images_of, outputs_of

router = APIRouter(prefix="/v2", tags=["open inference protocol"])
_PROBLEMS = problems(404, 413, 422, 429, 503)


@router.get("")
async def server_metadata() -> dict[str, Any]:
    """Name and version of this server."""
    return {"name": "vigie", "version": package_version("vigie"), "extensions": []}


@router.get("/health/live")
async def live() -> dict[str, bool]:
    """The process answers."""
    return {"live": True}


@router.get("/health/ready", responses={503: {"description": "Not ready"}})
def ready(state: State, response: Response) -> dict[str, bool]:
    """Images can be answered and logged."""
    is_ready = not reasons_not_ready(state)
    response.status_code = 200 if is_ready else 503
    return {"ready": is_ready}


@router.get("/models/{name}", responses=_PROBLEMS)
@router.get("/models/{name}/versions/{version}", responses=_PROBLEMS)
async def model_metadata(state: State, name: str, version: str | None = None) -> dict[str, Any]:
    """Inputs and outputs of the model."""
    with state.slot.lease() as model:
        _check(model, name, version)
        bundle = model.session.bundle
        shape = [-1, bundle.input.height, bundle.input.width, bundle.input.channels]
        return {
            "name": name,
            "versions": [model.identity.version],
            "platform": "onnxruntime_onnx",
            "inputs": [{"name": INPUT_NAME, "datatype": "FP32", "shape": shape}],
            "outputs": [
                {"name": "probabilities", "datatype": "FP32", "shape": [-1, len(bundle.labels)]},
                *(
                    {"name": output, "datatype": "BYTES", "shape": [-1]}
                    for output in ("label", "action", "request_id")
                ),
            ],
        }


@router.get("/models/{name}/ready", responses=_PROBLEMS)
@router.get("/models/{name}/versions/{version}/ready", responses=_PROBLEMS)
async def model_ready(state: State, name: str, version: str | None = None) -> dict[str, Any]:
    """This model answers."""
    with state.slot.lease() as model:
        _check(model, name, version)
        return {"name": name, "ready": True}


@router.post("/models/{name}/infer", responses=_PROBLEMS, response_model_exclude_none=True)
@router.post(
    "/models/{name}/versions/{version}/infer",
    responses=_PROBLEMS,
    response_model_exclude_none=True,
)
async def infer(
    request: Request, state: State, body: InferenceRequest, name: str, version: str | None = None
) -> InferenceResponse:
    """Answer a batch of tensors with one model."""
    with state.slot.lease() as model:
        _check(model, name, None)
    images = images_of(body, max_images=state.settings.max_batch_files)
    identity, answers = await state.service.predict_tensors(images, version=version)
    request.state.version = identity.version
    return InferenceResponse(
        model_name=identity.name,
        model_version=identity.version,
        id=body.id,
        outputs=outputs_of(answers, body.outputs),
    )


def _check(model: LoadedModel, name: str, version: str | None) -> None:
    identity = model.identity
    if name != identity.name or version not in (None, identity.version):
        raise NotFound(
            "This model or version is not loaded.",
            remedy=f"Ask for {identity.name}, version {identity.version}.",
        )
