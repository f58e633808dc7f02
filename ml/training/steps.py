"""The two compiled functions of a training: one step, one prediction. Each is traced once."""

from collections.abc import Callable, Sequence

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ml.contract.decoding import Pixels
from ml.contract.preprocessing import to_input
from ml.training.member_files import MemberOutputs
from ml.training.optimizer import FusedAdam

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
TrainStep = Callable[[Floats, Labels, np.float32], tf.Tensor]

_PREDICT_BATCH = 64


def compile_train_step(
    forward: Callable[[tf.Tensor], tf.Tensor],
    penalties: Callable[[], Sequence[tf.Tensor]],
    variables: Sequence[keras.Variable],
    *,
    input_shape: Sequence[int],
    batch_size: int,
    class_weights: Floats,
) -> TrainStep:
    """Make `step(inputs, labels, rate) → loss`.

    Args:
        forward: inputs → logits in training mode.
        penalties: the regularisation terms.
        variables: what is trained.
        input_shape: of one example; with `batch_size` it fixes the shape, hence a single trace.
        class_weights: (classes,), factors on each image's cross-entropy.
    """
    optimizer = FusedAdam(variables)
    weights = tf.constant(class_weights)
    signature = [
        tf.TensorSpec((batch_size, *input_shape), tf.float32),
        tf.TensorSpec((batch_size,), tf.int64),
        tf.TensorSpec((), tf.float32),
    ]

    # XLA would compile for minutes on a CPU, and autograph only slows the trace.
    @tf.function(input_signature=signature, autograph=False, jit_compile=False)
    def step(inputs: tf.Tensor, labels: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(optimizer.variables)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, forward(inputs))
            loss = tf.reduce_mean(losses * tf.gather(weights, labels))
            loss += tf.add_n([tf.zeros(()), *penalties()])
        optimizer.apply(tape.gradient(loss, optimizer.variables), rate)
        return loss

    return step


class Predictor:
    """A member in inference mode."""

    def __init__(self, model: keras.Model) -> None:
        signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)]

        @tf.function(input_signature=signature, autograph=False, jit_compile=False)
        def predict(inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            outputs = model(inputs, training=False)
            return outputs["logits"], outputs["features"]

        self._predict = predict

    def __call__(self, images: Pixels) -> MemberOutputs:
        """Run uint8 images of shape (n, height, width, channels)."""
        logits, features = [], []
        for start in range(0, len(images), _PREDICT_BATCH):
            outputs = self._predict(to_input(images[start : start + _PREDICT_BATCH]))
            logits.append(outputs[0].numpy())
            features.append(outputs[1].numpy())
        return MemberOutputs(np.concatenate(logits), np.concatenate(features))
