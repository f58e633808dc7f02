"""What each remedy against rare classes does on its own: none, class weights, SMOTE, both."""

from pathlib import Path

from ml.contract.errors import TrainingFailed
from ml.evaluation.experiment_metrics import Answers
from ml.packaging.member import float_graph
from ml.training.augmentation import Augmentation
from ml.training.checkpoint import load_member
from ml.training.steps import Predictor
from ml.training.trials import Trial, Trials, Tried, failed_row

NO_REMEDY = "no-remedy"
_VARIANTS = (
    (NO_REMEDY, "no remedy", False, False),
    ("class-weights", "class weights", True, False),
    ("smote", "SMOTE on embeddings", False, True),
    ("class-weights-and-smote", "both", True, True),
)


def ablate_remedies(trials: Trials) -> Tried:
    """Train `experiments.ablation` four times; only class weights and SMOTE differ.

    All four go through both stages of training from the same start: SMOTE balances the embeddings
    that the head learns from, class weights act on the loss wherever SMOTE does not. From random
    weights there are no embeddings to balance yet. There the start is the same architecture
    trained without remedies, whose head is then trained anew: classifier re-training (Kang et al.
    2020, Decoupling representation and classifier for long-tailed recognition).
    """
    architecture = trials.params.experiments.ablation
    if not architecture:
        return
    training = trials.params.training.of(architecture)
    head_epochs = training.head_epochs or trials.params.experiments.ablation_head_epochs
    training = training.model_copy(update={"head_epochs": head_epochs})
    champion: Path | None = None
    start: str | None = None
    if training.initialisation == "random":
        plain = Trial(
            architecture,
            training.model_copy(update={"head_epochs": 0, "class_weights": False, "smote": False}),
            Augmentation(),
        )
        try:
            trials.train(plain, f"ablation, {architecture} without remedies")
        except TrainingFailed as error:
            reason = f"What all four start from could not be trained: {error}"
            for name, title, *_ in _VARIANTS:
                yield failed_row(name, title, plain.describe(), reason, part="ablation"), {}
            return
        champion, start = trials.folder_of(plain), "the same trained without remedies"
        training = training.model_copy(update={"initialisation": "champion"})
    graph: Path | None = None
    for name, title, weights, smote in _VARIANTS:
        trial = Trial(
            architecture,
            training.model_copy(update={"class_weights": weights, "smote": smote}),
            Augmentation(),
        )
        try:
            member = trials.train(trial, f"ablation, {title}", champion)
        except TrainingFailed as error:
            yield failed_row(name, title, trial.describe(start), str(error), part="ablation"), {}
            continue
        folder = trials.folder_of(trial)
        # The four differ in their weights alone: one is enough to be weighed and timed.
        graph = graph or float_graph(folder)
        outputs = Predictor(load_member(folder))(trials.data.test_images)
        row = trials.row(
            name,
            title,
            trial.describe(start),
            Answers.of_logits(outputs.logits),
            graph=graph,
            output="logits",
            seconds=member.seconds,
            against=None if name == NO_REMEDY else NO_REMEDY,
            part="ablation",
        )
        yield row, {architecture: member}
