"""The Open Inference Protocol v2 (as KServe, Triton and MLServer speak it), JSON tensors."""

from importlib.metadata import version as package_version

from fastapi import APIRouter, Request, Response

from ml.contract.errors import NotFound
from serving.health import reasons_not_ready
from serving.model_slot import LoadedModel
from serving.protocol import (
    InferenceRequest,
    InferenceResponse,
    ModelMetadata,
    ModelReady,
    ServerLive,
    ServerMetadata,
    ServerReady,
    TensorMetadata,
)
from serving.routes import problems
from serving.state import State
from serving.tensors import INPUT_NAME, images_of, outputs_of

router = APIRouter(prefix="/v2", tags=["open inference protocol"])
_LOOKING = problems(404, 422, 503)
_INFERRING = problems(400, 404, 408, 413, 422, 429, 503)


@router.get("", responses=problems())
async def server_metadata() -> ServerMetadata:
    """Name and version of this server."""
    return ServerMetadata(name="vigie", version=package_version("vigie"), extensions=[])


@router.get("/health/live")
async def live() -> ServerLive:
    """The process answers."""
    return ServerLive(live=True)


@router.get("/health/ready", responses={503: {"model": ServerReady, "description": "Not ready"}})
def ready(state: State, response: Response) -> ServerReady:
    """Images can be answered and logged."""
    is_ready = not reasons_not_ready(state)
    response.status_code = 200 if is_ready else 503
    return ServerReady(ready=is_ready)


@router.get("/models/{name}", responses=_LOOKING)
@router.get("/models/{name}/versions/{version}", responses=_LOOKING)
async def model_metadata(state: State, name: str, version: str | None = None) -> ModelMetadata:
    """Inputs and outputs of the model."""
    with state.slot.lease() as model:
        _check(model, name, version)
        bundle = model.session.bundle
        shape = [-1, bundle.input.height, bundle.input.width, bundle.input.channels]
        return ModelMetadata(
            name=name,
            versions=[model.identity.version],
            platform="onnxruntime_onnx",
            inputs=[TensorMetadata(name=INPUT_NAME, datatype="FP32", shape=shape)],
            outputs=[
                TensorMetadata(
                    name="probabilities", datatype="FP32", shape=[-1, len(bundle.labels)]
                ),
                *(
                    TensorMetadata(name=output, datatype="BYTES", shape=[-1])
                    for output in ("label", "action", "request_id")
                ),
            ],
        )


@router.get("/models/{name}/ready", responses=_LOOKING)
@router.get("/models/{name}/versions/{version}/ready", responses=_LOOKING)
async def model_ready(state: State, name: str, version: str | None = None) -> ModelReady:
    """This model answers."""
    with state.slot.lease() as model:
        _check(model, name, version)
        return ModelReady(name=name, ready=True)


@router.post("/models/{name}/infer", responses=_INFERRING, response_model_exclude_none=True)
@router.post(
    "/models/{name}/versions/{version}/infer",
    responses=_INFERRING,
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
