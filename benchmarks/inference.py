"""What one image costs in each engine, beside its arithmetic at full rate.

uv run python benchmarks/inference.py [--data DIR] [--work DIR] [--json FILE]

TensorFlow, ONNX Runtime and OpenVINO answer the same images in turn, one image a call, on one
thread: the ensemble of ResNet50, InceptionV3 and EfficientNetB0 at 224 px with random weights,
packaged by the project itself (`quantization.float_members` stay in fp32). All times are CPU time.
Beside each stands its floor: the operations counted in the graph, at the rates of the fastest
matrix products of each precision seen in the same run. It is no strict bound: convolutions may do
with fewer multiplications than are counted (Winograd), and products of other shapes may be faster.
Ratios are medians over rounds of ONNX Runtime's fp32 time over the row's.
"""

import argparse
import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from figures import print_goals, write_figures
from inference_floor import Operations, Rates, count_operations, product_rates
from serving_bundle import ENSEMBLE, ROOT, ensure_bundle, files_of, phantom_files

from ml.contract.bundle import MODEL_FILE, InputSpec
from ml.contract.decoding import DecodeLimits, decode
from ml.contract.engine import Floats
from ml.contract.engine_onnxruntime import OnnxRuntimeEngine
from ml.contract.engine_openvino import OpenVinoEngine, Precision
from ml.contract.errors import EngineUnusable
from ml.contract.preprocessing import to_grid, to_input
from ml.data.phantoms import LABELS
from ml.packaging.cpu import cpu_features, cpu_model

SIDE, IMAGES, ROUNDS = 224, 4, 40
SPEC = InputSpec(height=SIDE, width=SIDE, channels=1)
REFERENCE, INT8 = "ONNX Runtime, fp32", "ONNX Runtime, int8"
GOALS = {"int8_vs_fp32": ">= 2.3", "best_vs_fp32": ">= 3"}

Run = Callable[[Floats], object]


@dataclass(frozen=True, slots=True)
class Contender:
    """A row: what answers one image, and the precision of what is not int8."""

    run: Run
    operations: Operations
    precision: Precision

    def floor_ms(self, rates: Rates) -> float:
        """Milliseconds that the arithmetic alone would take at the rates of matrix products."""
        seconds = self.operations.int8 / rates["int8"]
        return 1e3 * (seconds + self.operations.float / rates[self.precision])


def main() -> None:
    """Measure all rows in turn, print the table, write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="a folder of images; phantoms without it")
    parser.add_argument("--work", type=Path, default=ROOT / "var" / "benchmarks")
    parser.add_argument("--json", type=Path, help="write figures, goals and environment here")
    arguments = parser.parse_args()
    started = time.monotonic()
    side = 4 * SIDE
    files = (
        files_of(arguments.data, IMAGES, side) if arguments.data else phantom_files(IMAGES, side)
    )
    inputs = to_input(
        np.stack([to_grid(decode(file, DecodeLimits()).pixels, SPEC) for file in files])
    )
    rows = contenders(arguments.work)
    spent, rates = measure(rows, inputs)
    figures = report(rows, spent, rates)
    figures["seconds"] = round(time.monotonic() - started)
    print_goals(figures, GOALS)
    write_figures(
        arguments.json,
        figures,
        GOALS,
        cpu=cpu_model(),
        cpu_features=cpu_features(),
        **{name: version(name) for name in ("tensorflow", "onnxruntime")},
    )


def contenders(work: Path) -> dict[str, Contender]:
    """All rows by name; an engine that this machine cannot run says so and is left out."""
    float_graph, int8_graph = (
        ensure_bundle(work / f"ensemble-{SIDE}-{name}", ENSEMBLE, SIDE, seed=20, int8=int8)
        / MODEL_FILE
        for name, int8 in (("fp32", False), ("int8", True))
    )
    in_float, in_int8 = count_operations(float_graph), count_operations(int8_graph)
    rows = {
        "TensorFlow, tf.function": Contender(tensorflow_ensemble(), in_float, "f32"),
        REFERENCE: Contender(OnnxRuntimeEngine(float_graph).run, in_float, "f32"),
        INT8: Contender(OnnxRuntimeEngine(int8_graph).run, in_int8, "f32"),
    }
    precisions: tuple[Precision, ...] = ("f32", "bf16")
    for graph, kind, operations in (
        (float_graph, "fp32", in_float),
        (int8_graph, "int8", in_int8),
    ):
        for precision in precisions:
            name = f"OpenVINO {precision}, {kind} graph"
            try:
                rows[name] = Contender(OpenVinoEngine(graph, precision).run, operations, precision)
            except EngineUnusable as error:
                print(f"{name}: not measured. {error.message}", flush=True)
    return rows


def tensorflow_ensemble() -> Run:
    """The same networks in one compiled TensorFlow graph, one thread."""
    import keras
    import tensorflow as tf

    from ml.training.initialisation import build_member

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    members = [
        build_member(name, SPEC, len(LABELS), initialisation="random", dropout=0.1, l2=1e-4)
        for name in ENSEMBLE
    ]
    shape = (1, SPEC.height, SPEC.width, SPEC.channels)

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32)])
    def answer(images: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = [member(images, training=False) for member in members]
        votes = [keras.ops.softmax(output["logits"]) for output in outputs]
        return {
            "probabilities": sum(votes) / len(votes),
            "embedding": tf.concat([output["features"] for output in outputs], axis=-1),
            **{
                f"map/{name}": output["activation_map"]
                for name, output in zip(ENSEMBLE, outputs, strict=True)
            },
        }

    return lambda batch: {name: value.numpy() for name, value in answer(batch).items()}


def measure(rows: dict[str, Contender], inputs: Floats) -> tuple[dict[str, np.ndarray], Rates]:
    """CPU milliseconds of every row in every round, and the rates of products between them."""
    spent: dict[str, list[float]] = {name: [] for name in rows}
    for row in rows.values():
        row.run(inputs[:1])  # the first run compiles and allocates
    rates: Rates = {}
    gc.disable()
    for number in range(ROUNDS):
        image = inputs[number % len(inputs)][np.newaxis]
        for name, row in rows.items():
            started = time.process_time()
            row.run(image)
            spent[name].append(1e3 * (time.process_time() - started))
        if number % (ROUNDS // 4) == 0:
            for kind, rate in product_rates().items():
                rates[kind] = max(rates.get(kind, 0.0), rate)
    gc.enable()
    return {name: np.array(values) for name, values in spent.items()}, rates


def report(
    rows: dict[str, Contender], spent: dict[str, np.ndarray], rates: Rates
) -> dict[str, float]:
    """Print the table; returns the figures."""
    print(
        "fastest products: " + ", ".join(f"{kind} {r / 1e9:.0f} GOP/s" for kind, r in rates.items())
    )
    print(f"{'':28} {'CPU ms':>8} {'least':>8} {'vs fp32':>8} {'floor ms':>9} {'of floor':>9}")
    ratios = {}
    figures: dict[str, float] = {}
    for name, row in rows.items():
        median, floor = float(np.median(spent[name])), row.floor_ms(rates)
        ratios[name] = float(np.median(spent[REFERENCE] / spent[name]))
        print(
            f"{name:28} {median:8.1f} {spent[name].min():8.1f} {ratios[name]:8.2f} {floor:9.1f} "
            f"{median / floor:9.1f}"
        )
        figures[f"cpu_ms, {name}"] = round(median, 1)
        figures[f"floor_ms, {name}"] = round(floor, 1)
    figures["int8_vs_fp32"] = round(ratios[INT8], 2)
    figures["best_vs_fp32"] = round(max(ratios.values()), 2)
    return figures | {f"gops, {kind}": round(rate / 1e9) for kind, rate in rates.items()}


if __name__ == "__main__":
    main()
