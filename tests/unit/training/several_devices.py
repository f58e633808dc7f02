"""Trains one small network on one device, then on three; run as a process of its own.

Devices can only be divided before TensorFlow's first operation.
"""

import json
import sys

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from ml.training.process import make_deterministic, training_devices
from ml.training.steps import TrainStep

_SHAPE = (6, 6, 1)


def main() -> None:
    """Print losses, weights and where the work was done."""
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 3
    )
    devices = training_devices()
    one, _ = train(devices[:1])
    three, placed = train(devices)
    json.dump({"devices": devices, "placed": placed, "one": one, "three": three}, sys.stdout)


def train(devices: list[str]) -> tuple[dict[str, list[float]], list[str]]:
    """Four steps from the same weights on the same batch of 10."""
    make_deterministic(0)
    model = keras.Sequential(
        [layers.Input(_SHAPE), layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(3)]
    )
    placed: list[str] = []

    def forward(inputs: tf.Tensor) -> tf.Tensor:
        placed.append(inputs.device)
        return model(inputs, training=True)

    step = TrainStep(
        forward,
        lambda: model.losses,
        model.trainable_variables,
        input_shape=_SHAPE,
        batch_size=10,
        class_weights=np.ones(3, np.float32),
        devices=devices,
    )
    inputs = np.random.default_rng(0).normal(size=(10, *_SHAPE)).astype(np.float32)
    labels = np.arange(10, dtype=np.int64) % 3
    losses = [step(inputs, labels, np.float32(0.01)) for _ in range(4)]
    weights = [float(value) for array in model.get_weights() for value in array.ravel()]
    return {"losses": losses, "weights": weights}, placed


if __name__ == "__main__":
    main()
