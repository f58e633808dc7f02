"""The model card that is sealed into a bundle, from what the run knows before its test."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from ml.contract.bundle import Bundle
from ml.contract.errors import NotFound
from ml.evaluation.results import EvaluationReport
from ml.journey.images import label_indices
from ml.journey.run import Run, write_json

if TYPE_CHECKING:
    import pandas as pd

    from ml.evaluation.model_card import CardFacts

_FACTS = "card.json"


def write_card(
    run: Run, frame: "pd.DataFrame", bundle: Bundle, validation_inputs: npt.NDArray[np.float32]
) -> str:
    """The card as Markdown; its metrics are of the float ensemble on validation images.

    Its facts are kept beside the bundle, for the card of the version that comes of it.

    Args:
        frame: the run's whole dataset.
        validation_inputs: its validation images as the model takes them.
    """
    from ml.evaluation.model_card import CardFacts, MemberFacts, render_card
    from ml.training.member_files import read_member

    members = {member.name: read_member(run.member(member.name)) for member in bundle.members}
    facts = CardFacts(
        name=bundle.name,
        run_key=bundle.run_key,
        created_at=bundle.created_at,
        git_commit=bundle.git_commit,
        trained_because=run.info.reason,
        trigger=run.info.trigger,
        report_ids=run.info.report_ids,
        warm_started_from=(
            run.info.incumbent_version if run.info.initialisation == "champion" else None
        ),
        labels=bundle.labels,
        dataset_id=bundle.dataset_id,
        images=len(frame),
        groups=int(frame["group"].nunique()),
        per_split={
            str(split): {str(label): int(n) for label, n in rows["label"].value_counts().items()}
            for split, rows in frame.groupby("split")
        },
        per_site=_counts(frame, "site"),
        per_scanner=_counts(frame, "scanner"),
        members=[
            MemberFacts(
                name=member.name,
                architecture=member.architecture,
                weight=member.weight,
                precision=member.precision,
                flip_rate=member.flip_rate,
                epochs=members[member.name].epochs,
                validation_accuracy=members[member.name].validation.accuracy,
                validation_macro_f1=members[member.name].validation.macro_f1,
                initialisation=members[member.name].initialisation,
                initial_weights_sha256=members[member.name].initial_weights_sha256,
                weights_sha256=members[member.name].weights_sha256,
            )
            for member in bundle.members
        ],
        input=bundle.input,
        temperature=bundle.temperature,
        adaptive=bundle.adaptive,
        policy=bundle.policy,
        quantization=bundle.quantization,
        validation=_validation_report(run, frame, bundle, validation_inputs),
    )
    write_json(run.folder / _FACTS, facts.model_dump(mode="json"))
    return render_card(facts)


def read_facts(run: Run) -> "CardFacts":
    """What the sealed card tells, as `write_card` kept it.

    Raises:
        NotFound: the bundle was not sealed, or by other code.
    """
    from ml.evaluation.model_card import CardFacts

    try:
        return CardFacts.model_validate_json((run.folder / _FACTS).read_bytes())
    except (OSError, ValidationError) as error:
        raise NotFound(
            f"Run {run.info.run_key} keeps no facts for its model card.",
            remedy="It was sealed by other code: train it again.",
        ) from error


def _counts(frame: "pd.DataFrame", column: str) -> dict[str, int]:
    return {str(value): int(count) for value, count in frame[column].value_counts().items()}


def _validation_report(
    run: Run, frame: "pd.DataFrame", bundle: Bundle, inputs: npt.NDArray[np.float32]
) -> EvaluationReport:
    from ml.evaluation.report import evaluate
    from ml.packaging.graph import open_graph, run_graph

    validation = frame[frame["split"] == "validation"]
    answers = run_graph(open_graph(run.float_model), inputs, ["probabilities"])
    return evaluate(
        answers["probabilities"],
        label_indices(validation, bundle.labels),
        validation["group"].to_numpy(),
        validation,
        label_names=bundle.labels,
        policy=bundle.policy,
        params=run.params.evaluation,
    )
