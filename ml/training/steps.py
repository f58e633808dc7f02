"""The two compiled functions of a training: one step, one prediction. Each is traced once.

All is computed in float32: on a CPU without AMX or AVX512-BF16 (AMD EPYC, Zen 3) a step of a small
network in mixed bfloat16 took 7 times as long.
"""

import logging
import math
from collections.abc import Callable, Sequence

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from ml.contract.errors import TrainingFailed
from ml.contract.preprocessing import to_input
from ml.training.data import Images, blocks
from ml.training.member_files import MemberOutputs
from ml.training.optimizer import FusedAdam

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

_PREDICT_BATCH = 32


class TrainStep:
    """One step of training: `step(inputs, labels, rate) → loss`, the mean over the batch.

    A batch is shared out among the devices, and each computes the gradients of its part beside the
    others; where that does not fit into memory, of halves, then quarters … in turn. The gradients
    are summed: the same step for all but batch normalisation, which sees the smaller parts.

    Args:
        forward: inputs → logits in training mode.
        penalties: the regularisation terms.
        variables: what is trained.
        input_shape: of one example; with `batch_size` it fixes the shape, hence a single trace.
        class_weights: (classes,), factors on each image's cross-entropy.
        devices: names of TensorFlow's devices; variables stay where they were made.

    Raises:
        TrainingFailed: by a call, when not even a single image fits into memory.
    """

    def __init__(
        self,
        forward: Callable[[tf.Tensor], tf.Tensor],
        penalties: Callable[[], Sequence[tf.Tensor]],
        variables: Sequence[keras.Variable],
        *,
        input_shape: Sequence[int],
        batch_size: int,
        class_weights: Floats,
        devices: Sequence[str],
    ) -> None:
        self._devices = devices
        self._forward = forward
        self._penalties = penalties
        self._optimizer = FusedAdam(variables)
        self._weights = tf.constant(class_weights)
        self._signature = [
            tf.TensorSpec((batch_size, *input_shape), tf.float32),
            tf.TensorSpec((batch_size,), tf.int64),
            tf.TensorSpec((), tf.float32),
        ]
        self.batch_size = batch_size
        self._part = math.ceil(batch_size / len(devices))
        self._step = self._compile()

    @property
    def state(self) -> list[tf.Variable]:
        """The optimizer's variables."""
        return self._optimizer.state

    def restore(self, values: Sequence[np.ndarray]) -> None:
        """Put back what `state` held when a training was interrupted."""
        for variable, value in zip(self.state, values, strict=True):
            variable.assign(value)

    def __call__(self, inputs: Floats, labels: Labels, rate: np.float32) -> float:
        """Train on one batch."""
        while True:
            try:
                return float(self._step(inputs, labels, rate))
            except tf.errors.ResourceExhaustedError as error:
                self._halve(error)

    def _halve(self, error: tf.errors.ResourceExhaustedError) -> None:
        if self._part == 1:
            raise TrainingFailed(
                "Not even one image at a time fits into memory.",
                remedy="Lower image.size, choose smaller members, or use a larger machine.",
            ) from error
        self._part = math.ceil(self._part / 2)
        logger.warning(
            "A batch of %d does not fit into memory: going on with %d images at a time. "
            "Lower training.batch_size to avoid this.",
            self.batch_size,
            self._part,
        )
        self._step = self._compile()

    def _compile(self) -> Callable[[Floats, Labels, np.float32], tf.Tensor]:
        # XLA would compile for minutes on a CPU, and autograph only slows the trace.
        @tf.function(input_signature=self._signature, autograph=False, jit_compile=False)
        def step(inputs: tf.Tensor, labels: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
            parts = []
            for number, start in enumerate(range(0, self.batch_size, self._part)):
                rows = slice(start, min(start + self._part, self.batch_size))
                with tf.device(self._devices[number % len(self._devices)]):
                    parts.append(self._gradients(inputs[rows], labels[rows], penalised=not start))
            losses, gradients = zip(*parts, strict=True)
            summed = [tf.add_n(terms) for terms in zip(*gradients, strict=True)]
            self._optimizer.apply(summed, rate)
            return tf.add_n(losses)

        return step

    def _gradients(
        self, inputs: tf.Tensor, labels: tf.Tensor, *, penalised: bool
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        variables = self._optimizer.variables
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            logits = self._forward(inputs)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_sum(losses * tf.gather(self._weights, labels)) / self.batch_size
            if penalised:
                loss += tf.add_n([tf.zeros(()), *self._penalties()])
        return loss, tape.gradient(loss, variables, unconnected_gradients="zero")


class Predictor:
    """A member in inference mode.

    Batches are filled up to one size, hence a single trace. What an image gets depends on its
    place in the batch by no more than the last bit of a float.
    """

    def __init__(self, model: keras.Model) -> None:
        signature = [tf.TensorSpec((_PREDICT_BATCH, *model.input_shape[1:]), tf.float32)]

        @tf.function(input_signature=signature, autograph=False, jit_compile=False)
        def predict(inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            outputs = model(inputs, training=False)
            return outputs["logits"], outputs["features"]

        self._predict = predict

    def __call__(self, images: Images) -> MemberOutputs:
        """Run uint8 images of shape (n, height, width, channels)."""
        logits, features = [], []
        for block in blocks(images, _PREDICT_BATCH):
            inputs = np.zeros((_PREDICT_BATCH, *block.shape[1:]), np.float32)
            inputs[: len(block)] = to_input(block)
            outputs = self._predict(inputs)
            logits.append(outputs[0].numpy()[: len(block)])
            features.append(outputs[1].numpy()[: len(block)])
        return MemberOutputs(np.concatenate(logits), np.concatenate(features))
