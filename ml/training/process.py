"""How TensorFlow runs in this process: on how many cores, and the same every time."""

import logging
import os

import keras
import tensorflow as tf

logger = logging.getLogger(__name__)


def limit_threads(threads: int) -> None:
    """Let TensorFlow use `threads` cores, so that members can be trained side by side.

    Only works before its first operation: a process that already computes keeps what it has.
    """
    if threads == threads_in_use():
        return
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        logger.warning("TensorFlow already runs in this process: its threads stay as they are.")


def threads_in_use() -> int:
    """How many cores one operation is spread over."""
    chosen = tf.config.threading.get_intra_op_parallelism_threads()
    return int(chosen or os.environ.get("TF_NUM_INTRAOP_THREADS") or os.cpu_count() or 1)


def training_devices() -> list[str]:
    """The devices that share every batch: all GPUs that this process sees, or the CPU.

    `CUDA_VISIBLE_DEVICES` chooses among them, so that members may train side by side.
    """
    found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return [device.name for device in found]


def make_deterministic(seed: int) -> None:
    """Draw from `seed`, and let every operation give the same bits on the same CPU."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
