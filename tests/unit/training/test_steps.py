import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from ml.contract.errors import TrainingFailed
from ml.training.steps import TrainStep

INPUTS = np.random.default_rng(0).normal(size=(10, 4)).astype(np.float32)
TARGETS = np.arange(10, dtype=np.int64) % 3


class SmallMemory:
    """A linear layer on a machine that holds `room` examples at a time."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.layer = layers.Dense(3, kernel_initializer="ones", kernel_regularizer="l2")
        self.layer.build((None, 4))

    def forward(self, inputs):
        if inputs.shape[0] > self.room:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
        return self.layer(inputs)

    def train(self, steps: int = 3) -> tuple[list[float], np.ndarray]:
        step = TrainStep(
            self.forward,
            lambda: self.layer.losses,
            self.layer.trainable_variables,
            input_shape=(4,),
            batch_size=10,
            class_weights=np.array([1.0, 2.0, 0.5], np.float32),
            devices=["CPU:0"],
        )
        losses = [step(INPUTS, TARGETS, np.float32(0.1)) for _ in range(steps)]
        return losses, self.layer.kernel.numpy()


@pytest.mark.parametrize("room", [9, 3, 1])
def test_a_batch_too_large_for_memory_is_trained_in_parts_to_the_same_weights(room, caplog):
    losses, weights = SmallMemory(10).train()
    in_parts, weights_in_parts = SmallMemory(room).train()
    assert in_parts == pytest.approx(losses, rel=1e-5)
    np.testing.assert_allclose(weights_in_parts, weights, rtol=1e-4)
    assert "training.batch_size" in caplog.text
    assert losses[-1] < losses[0]


def test_one_image_too_large_for_memory_is_refused():
    with pytest.raises(TrainingFailed, match=r"image\.size"):
        SmallMemory(0).train()
