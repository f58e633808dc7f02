"""Answers of the service → what the API gives."""

from collections.abc import Mapping

from ml.contract.records import Role
from serving.answers import Answer
from serving.model_slot import LoadedModel, ModelSlot
from serving.schemas import BesideView, ImageView, ModelView, PredictionView


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
        preview=finding.preview,
    )


def model_view(model: LoadedModel, beside: Mapping[Role, ModelSlot]) -> ModelView:
    """The loaded model, and what is loaded beside it."""
    others = [slot.current for slot in beside.values()]
    bundle = model.session.bundle
    return ModelView(
        name=model.identity.name,
        version=model.identity.version,
        bundle=model.identity.bundle,
        alias=model.alias,
        labels=bundle.labels,
        input=bundle.input,
        loaded_at=model.loaded_at,
        engine=f"{model.session.choice.engine} {model.session.choice.version}",
        engines=model.session.choice.trials,
        adaptive=bundle.adaptive,
        beside=[_beside_view(other) for other in others if other is not None],
    )


def _beside_view(model: LoadedModel) -> BesideView:
    return BesideView(
        role="canary" if model.role == "canary" else "shadow",
        version=model.identity.version,
        bundle=model.identity.bundle,
        weight=model.weight,
        loaded_at=model.loaded_at,
    )
