"""Answers of the service → what the API gives."""

from importlib.metadata import version

from serving.model_slot import LoadedModel
from serving.schemas import ImageView, ModelView, PredictionView
from serving.service import Answer


def prediction_view(answer: Answer) -> PredictionView:
    """One answered image."""
    finding = answer.finding
    timings = {stage: round(seconds * 1e3, 3) for stage, seconds in answer.seconds.items()}
    timings["total"] = round(sum(answer.seconds.values()) * 1e3, 3)
    return PredictionView(
        request_id=answer.request_id,
        label=finding.decision.label,
        probabilities=finding.probabilities,
        decision=finding.decision.action,
        reasons=finding.decision.reasons,
        prediction_set=finding.decision.prediction_set,
        model=answer.model,
        image=ImageView(width=finding.statistics.width, height=finding.statistics.height),
        timings_ms=timings,
        heat_map=finding.heat_map,
    )


def model_view(model: LoadedModel) -> ModelView:
    """The loaded model."""
    bundle = model.session.bundle
    return ModelView(
        name=model.identity.name,
        version=model.identity.version,
        bundle=model.identity.bundle,
        alias=model.alias,
        labels=bundle.labels,
        input=bundle.input,
        loaded_at=model.loaded_at,
        engine=f"onnxruntime {version('onnxruntime')}",
    )
