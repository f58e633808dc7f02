"""A trained Keras model → the member's folder, and back."""

import hashlib
import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from ml.training.initialisation import build_member
from ml.training.member_files import (
    CURVES_FOLDER,
    HISTORY_FILE,
    MEMBER_FILE,
    VALIDATION_FILE,
    WEIGHTS_FILE,
    MemberOutputs,
    read_member,
)
from ml.training.results import EpochRecord, MemberResult
from ml.training.whole_file import whole_file


def write_member(
    folder: Path, model: keras.Model, validation: MemberOutputs, result: MemberResult
) -> None:
    """Replace the folder as a whole, and with it what an interrupted training left there.

    Raises:
        DiskFull: there is no room; the folder stays as it was.
    """
    needed = 4 * model.count_params() + validation.logits.nbytes + validation.features.nbytes
    with whole_file(folder, needed) as partial:
        partial.mkdir()
        model.save_weights(partial / WEIGHTS_FILE)
        np.savez(partial / VALIDATION_FILE, logits=validation.logits, features=validation.features)
        history = [record.model_dump(mode="json") for record in result.history]
        (partial / HISTORY_FILE).write_text(json.dumps(history, indent=2) + "\n")
        _write_curves(partial / CURVES_FOLDER, result.history)
        (partial / MEMBER_FILE).write_text(result.model_dump_json(indent=2) + "\n")


def load_member(folder: Path) -> keras.Model:
    """Rebuild a trained member.

    Raises:
        NotFound: it has not been trained to its end.
    """
    member = read_member(folder)
    return build_member(
        member.architecture,
        member.input,
        len(member.labels),
        initialisation="champion",
        weights_file=folder / WEIGHTS_FILE,
        dropout=member.dropout,
        l2=member.l2,
    )


def weights_digest(model: keras.Model) -> str:
    """Identity of a network's weights: their values, in order."""
    digest = hashlib.sha256()
    for value in model.get_weights():
        digest.update(np.ascontiguousarray(value).data)
    return digest.hexdigest()


def _write_curves(folder: Path, history: Sequence[EpochRecord]) -> None:
    # `tf.summary.scalar` needs the tensorboard package; what it writes does not.
    plugin = tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars")
    metadata = tf.compat.v1.SummaryMetadata(plugin_data=plugin)
    # One folder per phase: TensorBoard shows them as two runs, one going on from the other.
    for phase, records in itertools.groupby(history, lambda record: record.phase):
        with tf.summary.create_file_writer(str(folder / phase)).as_default():
            for record in records:
                curves = {
                    "loss": record.loss,
                    "learning_rate": record.learning_rate,
                    **{f"validation/{k}": v for k, v in record.validation.model_dump().items()},
                }
                for name, value in curves.items():
                    tensor = tf.constant(value, tf.float32)
                    tf.summary.write(name, tensor, step=record.epoch, metadata=metadata)
