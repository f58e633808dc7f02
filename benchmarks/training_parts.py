"""The trainings that the benchmark compares, each run in a fresh process.

python benchmarks/training_parts.py NAME JSON
"""

import json
import resource
import sys
import time
from pathlib import Path

import keras
import numpy as np
from training_images import (
    SEED,
    Record,
    load_pixels,
    read_images,
    read_weights,
    training_data,
)

from ml.contract.bundle import InputSpec
from ml.contract.preprocessing import to_grid, to_input
from ml.params import TrainingParams, load_params
from ml.training.arrays import load_grids
from ml.training.checkpoint import load_member
from ml.training.data import TrainingData
from ml.training.features import train_head
from ml.training.fit import train_member
from ml.training.initialisation import build_member, normalisation_layers
from ml.training.loop import Progress
from ml.training.scores import score
from ml.training.steps import Predictor

SMALL = load_params(Path(__file__).resolve().parents[1] / "params.toml", profile="small")
MEMBER = "mobilenetv2"
SPEC = SMALL.image.spec
MEMORY_SPEC = InputSpec(height=64, width=64, channels=1)
NAIVE_BATCH = 32


def training_params(folder: str) -> TrainingParams:
    """The profile's, from the weights that are here."""
    weights = read_weights(folder)
    start = (
        {"initialisation": "file", "weights": {MEMBER: str(weights)}}
        if weights
        else {"initialisation": "imagenet"}
    )
    return SMALL.training.model_copy(update={"seed": SEED, **start})


def pretrained(folder: str, spec: InputSpec, classes: int) -> keras.Model:
    """The member as every cold training starts with it."""
    params = training_params(folder)
    return build_member(
        MEMBER,
        spec,
        classes,
        initialisation=params.initialisation,
        weights_file=read_weights(folder),
        dropout=params.dropout,
        l2=params.l2,
    )


def incumbent(folder: str) -> Record:
    """Train the model in production on the images that were there first."""
    images, labels = read_images(folder, old_only=True)
    started = time.process_time()
    train_member(
        MEMBER,
        data=training_data(folder, images, labels, SPEC),
        labels=labels,
        params=training_params(folder),
        spec=SPEC,
        folder=Path(folder) / "incumbent",
    )
    spent = time.process_time() - started
    return {"cpu": spent, "f1": _f1_on_all(folder)}


def _f1_on_all(folder: str) -> float:
    grown = training_data(folder, *read_images(folder), SPEC)
    logits = Predictor(load_member(Path(folder) / "incumbent"))(grown.validation_images).logits
    return score(logits, grown.validation_labels).macro_f1


def scheduled(folder: str) -> Record:
    """Retrain as the schedule does, to the end."""
    images, labels = read_images(folder)
    started = time.process_time()
    result = train_member(
        MEMBER,
        data=training_data(folder, images, labels, SPEC),
        labels=labels,
        params=training_params(folder).from_champion,
        spec=SPEC,
        folder=Path(folder) / "scheduled",
        champion=Path(folder) / "incumbent",
        feature_cache=Path(folder) / "cache" / "features",
    )
    return {"cpu": time.process_time() - started, "f1": result.validation.macro_f1}


def naive(folder: str, rate: float, target: float, limit: float) -> Record:
    """Fine-tune all layers with `fit`, files decoded every epoch, until `target` is reached.

    Normalisation stays in inference mode, as Keras's guide to transfer learning has it.
    """
    images, labels = read_images(folder)

    class Files(keras.utils.PyDataset):
        """Batches that are decoded whenever they are asked for."""

        def __init__(self, chosen: list[Record], *, shuffled: bool) -> None:
            super().__init__()
            self.chosen = chosen
            self.shuffled = shuffled

        def __len__(self) -> int:
            return -(-len(self.chosen) // NAIVE_BATCH)

        def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
            batch = self.chosen[NAIVE_BATCH * index :][:NAIVE_BATCH]
            grids = [to_grid(load_pixels(folder, item["id"]), SPEC) for item in batch]
            return to_input(np.stack(grids)), np.array(
                [labels.index(item["label"]) for item in batch]
            )

        def on_epoch_end(self) -> None:
            if self.shuffled:  # `predict` ends epochs too
                np.random.default_rng(len(scores)).shuffle(self.chosen)

    train = Files([item for item in images if item["train"]], shuffled=True)
    validation = Files([item for item in images if not item["train"]], shuffled=False)
    scores: list[float] = []

    def judge() -> None:
        logits = model.predict(validation, verbose=0)
        truth = np.array([labels.index(item["label"]) for item in validation.chosen])
        scores.append(score(logits, truth).macro_f1)
        given_up = time.process_time() - started > limit
        model.stop_training = scores[-1] >= target or given_up

    keras.utils.set_random_seed(SEED)
    np.random.default_rng(SEED).shuffle(train.chosen)
    started = time.process_time()
    member = pretrained(folder, SPEC, len(labels))
    for layer in normalisation_layers(member.get_layer("backbone")):
        layer.trainable = False
    model = keras.Model(member.input, member.output["logits"])
    model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    until_target = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: judge())
    model.fit(train, epochs=100, callbacks=[until_target], verbose=0)
    return {
        "cpu": time.process_time() - started,
        "f1": scores[-1],
        "epochs": len(scores),
        "reached": scores[-1] >= target,
    }


def features(folder: str) -> Record:
    """The head's stage: features computed once, and the same epochs with features in each.

    The network is built and traced beforehand, since both sides need that once.
    """
    images, labels = read_images(folder)
    data = training_data(folder, images, labels, SPEC)
    params = training_params(folder)
    # Not stopped early: every epoch of one side has its counterpart.
    params = params.model_copy(update={"early_stopping_patience": params.head_epochs})
    model = pretrained(folder, SPEC, len(labels))
    predictor = Predictor(model)
    predictor(data.validation_images)
    started = time.process_time()
    train_head(
        model,
        predictor,
        data,
        labels,
        params,
        Progress(model.variables),
        rng=np.random.default_rng(SEED),
        cache_folder=Path(folder) / "cache" / "head",
    )
    cached = time.process_time() - started
    started = time.process_time()
    for _ in range(params.head_epochs - 1):
        predictor(data.train_images)
        predictor(data.validation_images)
    recomputed = cached + time.process_time() - started
    return {"cached": cached, "recomputed": recomputed, "epochs": params.head_epochs}


def memory(folder: str, count: int) -> Record:
    """A whole training, from files to finished member, of `count` different images."""
    images, labels = read_images(folder)
    np.random.default_rng(SEED).shuffle(images)  # else the first ones are all of one label
    chosen = [images[number % len(images)] for number in range(count)]

    def load(name: str) -> np.ndarray:
        number = int(name)
        pixels = load_pixels(folder, chosen[number]["id"])
        return np.roll(pixels, number // len(images), axis=1)

    started = time.process_time()
    grids = load_grids(
        [str(number) for number in range(count)], load, MEMORY_SPEC, Path(folder) / f"grids-{count}"
    )
    train_member(
        MEMBER,
        data=TrainingData.of_split(
            grids,
            np.array([labels.index(item["label"]) for item in chosen], np.int64),
            np.array(["train" if item["train"] else "validation" for item in chosen]),
        ),
        labels=labels,
        params=training_params(folder).model_copy(update={"head_epochs": 3, "epochs": 1}),
        spec=MEMORY_SPEC,
        folder=Path(folder) / f"memory-{count}",
        feature_cache=Path(folder) / f"features-{count}",
    )
    return {
        "cpu": time.process_time() - started,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


PARTS = {
    function.__name__: function for function in (incumbent, scheduled, naive, features, memory)
}

if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(PARTS[sys.argv[1]](**json.loads(sys.argv[2]))) + "\n")
