"""A trained Keras model → the member's folder, and back."""

import json
import shutil
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


def write_member(
    folder: Path, model: keras.Model, validation: MemberOutputs, result: MemberResult
) -> None:
    """Replace whatever an interrupted training left; `member.json` appears last."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model.save_weights(folder / WEIGHTS_FILE)
    np.savez(folder / VALIDATION_FILE, logits=validation.logits, features=validation.features)
    history = [record.model_dump(mode="json") for record in result.history]
    (folder / HISTORY_FILE).write_text(json.dumps(history, indent=2) + "\n")
    _write_curves(folder / CURVES_FOLDER, result.history)
    partial = folder / f".{MEMBER_FILE}.part"
    partial.write_text(result.model_dump_json(indent=2) + "\n")
    partial.replace(folder / MEMBER_FILE)


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


def _write_curves(folder: Path, history: Sequence[EpochRecord]) -> None:
    # `tf.summary.scalar` needs the tensorboard package; what it writes does not.
    plugin = tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars")
    metadata = tf.compat.v1.SummaryMetadata(plugin_data=plugin)
    with tf.summary.create_file_writer(str(folder)).as_default():
        for record in history:
            curves = {
                "loss": record.loss,
                "learning_rate": record.learning_rate,
                **{f"validation/{k}": v for k, v in record.validation.model_dump().items()},
            }
            for name, value in curves.items():
                tensor = tf.constant(value, tf.float32)
                tf.summary.write(name, tensor, step=record.epoch, metadata=metadata)
