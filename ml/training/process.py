"""How many cores TensorFlow takes in this process."""

import logging

import tensorflow as tf

logger = logging.getLogger(__name__)


def limit_threads(threads: int) -> None:
    """Let TensorFlow use `threads` cores, so that members can be trained side by side.

    Only works before its first operation: a process that already computes keeps what it has.
    """
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        logger.warning("TensorFlow already runs in this process: its threads stay as they are.")
