"""What one image costs in each engine, beside its arithmetic at full rate.

uv run python benchmarks/inference.py [--data DIR] [--work DIR] [--json FILE]

TensorFlow, ONNX Runtime and OpenVINO answer the same images in turn, one image a call, on one
thread: ResNet50, InceptionV3 and EfficientNetB0 with equal votes, trained on phantoms at 224 px and
packaged by the project itself (`quantization.float_members` stay in fp32). All times are CPU time.
Ratios are medians over images of ONNX Runtime's fp32 time over the row's; where one member may
answer alone they are of mean times, since it spends little on most images and all on some.

Beside each row stands its floor: the operations counted in the graph, at the rates of the fastest
matrix products of each precision seen in the same run. It is no strict bound: convolutions may do
with fewer multiplications than are counted (Winograd), and products of other shapes may be faster.

Then further phantoms tell what answering alone costs in answers.
"""

import argparse
import gc
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from figures import print_goals, write_figures
from inference_floor import Operations, Rates, count_operations, product_rates
from serving_bundle import ROOT, files_of
from trained_ensemble import CRITICAL, SPEC, TrainedEnsemble, phantom_inputs, trained_ensemble

from ml.contract.decoding import DecodeLimits, decode
from ml.contract.engine import Floats
from ml.contract.engine_onnxruntime import OnnxRuntimeEngine
from ml.contract.engine_openvino import OpenVinoEngine, Precision
from ml.contract.errors import EngineUnusable
from ml.contract.preprocessing import to_grid, to_input
from ml.evaluation.bounds import difference_lower, estimate_difference
from ml.packaging.cpu import cpu_features, cpu_model

IMAGES, RATE_ROUNDS = 120, 4
CRITICAL_IMAGES = 400
REFERENCE, INT8 = "ONNX Runtime, fp32", "ONNX Runtime, int8"
ADAPTIVE = ", one may answer alone"
GOALS = {
    "int8_vs_fp32": ">= 2.3",
    "best_vs_fp32": ">= 3",
    "adaptive_vs_fp32": ">= 6",
    "adaptive_sensitivity_lower": ">= -0.01",
}

Run = Callable[[Floats], Any]


@dataclass(frozen=True, slots=True)
class Contender:
    """A row: what answers one image, and the precision of what is not int8.

    `operations` is None where they differ from image to image.
    """

    run: Run
    operations: Operations | None
    precision: Precision

    def floor_ms(self, rates: Rates) -> float:
        """Milliseconds that the arithmetic alone would take at the rates of matrix products."""
        if self.operations is None:
            return math.nan
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
    ensemble = trained_ensemble(arguments.work / "trained-224")
    if arguments.data:
        files = files_of(arguments.data, IMAGES, 4 * SPEC.width)
        grids = [to_grid(decode(file, DecodeLimits()).pixels, SPEC) for file in files]
        inputs = to_input(np.stack(grids))
    else:
        inputs, _ = phantom_inputs("test", IMAGES)
    rows = contenders(ensemble)
    spent, rates = measure(rows, inputs)
    figures, fastest = report(rows, spent, rates)
    figures |= compare_answers(ensemble, fastest, rows[fastest], rows[whole_of(fastest)])
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


def contenders(ensemble: TrainedEnsemble) -> dict[str, Contender]:
    """All rows by name; an engine that this machine cannot run says so and is left out."""
    in_float, in_int8 = count_operations(ensemble.in_float), count_operations(ensemble.in_int8)
    rows = {
        "TensorFlow, tf.function": Contender(tensorflow_ensemble(ensemble), in_float, "f32"),
        REFERENCE: Contender(OnnxRuntimeEngine(ensemble.in_float).run, in_float, "f32"),
        INT8: Contender(OnnxRuntimeEngine(ensemble.in_int8).run, in_int8, "f32"),
        f"{INT8}{ADAPTIVE}": Contender(OnnxRuntimeEngine(ensemble.adaptive_int8).run, None, "f32"),
    }
    precisions: tuple[Precision, ...] = ("f32", "bf16")
    for kind, whole, adaptive, operations in (
        ("fp32", ensemble.in_float, ensemble.adaptive_float, in_float),
        ("int8", ensemble.in_int8, ensemble.adaptive_int8, in_int8),
    ):
        for precision in precisions:
            name = f"OpenVINO {precision}, {kind} graph"
            try:
                rows |= {
                    name: Contender(OpenVinoEngine(whole, precision).run, operations, precision),
                    f"{name}{ADAPTIVE}": Contender(
                        OpenVinoEngine(adaptive, precision).run, None, precision
                    ),
                }
            except EngineUnusable as error:
                print(f"{name}: not measured. {error.message}", flush=True)
    return rows


def tensorflow_ensemble(ensemble: TrainedEnsemble) -> Run:
    """The same networks in one compiled TensorFlow graph, one thread."""
    import keras
    import tensorflow as tf

    from ml.training.checkpoint import load_member

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    members = [load_member(folder) for folder in ensemble.members.values()]
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
                for name, output in zip(ensemble.members, outputs, strict=True)
            },
        }

    return lambda batch: {name: value.numpy() for name, value in answer(batch).items()}


def measure(rows: dict[str, Contender], inputs: Floats) -> tuple[dict[str, np.ndarray], Rates]:
    """CPU milliseconds of every row for every image, and the rates of products between them."""
    spent: dict[str, list[float]] = {name: [] for name in rows}
    for row in rows.values():
        row.run(inputs[:1])  # the first run compiles and allocates
    rates: Rates = {}
    gc.disable()
    for number, image in enumerate(inputs[:, np.newaxis]):
        for name, row in rows.items():
            started = time.process_time()
            row.run(image)
            spent[name].append(1e3 * (time.process_time() - started))
        if number % max(1, len(inputs) // RATE_ROUNDS) == 0:
            for kind, rate in product_rates().items():
                rates[kind] = max(rates.get(kind, 0.0), rate)
    gc.enable()
    return {name: np.array(values) for name, values in spent.items()}, rates


def report(
    rows: dict[str, Contender], spent: dict[str, np.ndarray], rates: Rates
) -> tuple[dict[str, float], str]:
    """Print the table; returns the figures, and the fastest row where one may answer alone."""
    print(
        "fastest products: " + ", ".join(f"{kind} {r / 1e9:.0f} GOP/s" for kind, r in rates.items())
    )
    print(f"{'':44} {'CPU ms':>8} {'mean':>8} {'vs fp32':>8} {'floor ms':>9} {'of floor':>9}")
    ratios = {}
    figures: dict[str, float] = {}
    for name, row in rows.items():
        typical = np.mean if row.operations is None else np.median
        median, floor = float(np.median(spent[name])), row.floor_ms(rates)
        ratios[name] = (
            float(spent[REFERENCE].mean() / spent[name].mean())
            if row.operations is None
            else float(np.median(spent[REFERENCE] / spent[name]))
        )
        print(
            f"{name:44} {median:8.1f} {spent[name].mean():8.1f} {ratios[name]:8.2f} "
            + ("" if math.isnan(floor) else f"{floor:9.1f} {median / floor:9.1f}")
        )
        figures[f"cpu_ms, {name}"] = round(float(typical(spent[name])), 1)
        if row.operations is not None:
            figures[f"floor_ms, {name}"] = round(floor, 1)
    figures["int8_vs_fp32"] = round(ratios[INT8], 2)
    whole = [ratio for name, ratio in ratios.items() if rows[name].operations is not None]
    figures["best_vs_fp32"] = round(max(whole), 2)
    fastest = max((name for name in ratios if name.endswith(ADAPTIVE)), key=ratios.__getitem__)
    figures["adaptive_vs_fp32"] = round(ratios[fastest], 2)
    rated = {f"gops, {kind}": round(rate / 1e9) for kind, rate in rates.items()}
    return figures | rated, fastest


def whole_of(name: str) -> str:
    """The row of the same graph where all members always answer."""
    return name.removesuffix(ADAPTIVE)


def compare_answers(
    ensemble: TrainedEnsemble, name: str, adaptive: Contender, whole: Contender
) -> dict[str, float]:
    """The fastest adaptive row's answers beside those of all members, on test phantoms.

    The bound is one-sided at 95 %; gates ask for more, as often as a test split was used.
    """

    def answers(inputs: Floats) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        pairs = [(adaptive.run(image), whole.run(image)) for image in inputs[:, np.newaxis]]
        ours, theirs = (np.concatenate([pair[k].probabilities for pair in pairs]) for k in (0, 1))
        stopped = np.concatenate([pair[0].stopped_early for pair in pairs])
        return ensemble.answers(ours), ensemble.answers(theirs), stopped

    inputs, truth = phantom_inputs("test", 2 * CRITICAL_IMAGES)
    ours, theirs, stopped = answers(inputs)
    critical_inputs, _ = phantom_inputs("test", CRITICAL_IMAGES, label=CRITICAL)
    found, found_by_all, _ = (values == CRITICAL for values in answers(critical_inputs))
    difference = estimate_difference(
        found & ~found_by_all, found_by_all & ~found, np.arange(CRITICAL_IMAGES)
    )
    figures = {
        "adaptive_stopped": float(stopped.mean()),
        "adaptive_changed": float((ours != theirs).mean()),
        "adaptive_accuracy": float((ours == truth).mean()),
        "whole_accuracy": float((theirs == truth).mean()),
        "adaptive_sensitivity": float(found.mean()),
        "whole_sensitivity": float(found_by_all.mean()),
        "adaptive_sensitivity_lower": difference_lower(difference, 0.95),
    }
    print(
        f"{name}: {ensemble.adaptive.first} answers alone on {figures['adaptive_stopped']:.1%} of "
        f"{len(inputs)} phantoms, which changes {figures['adaptive_changed']:.2%} of the answers "
        f"(accuracy {figures['whole_accuracy']:.3f} to {figures['adaptive_accuracy']:.3f}); of "
        f"{CRITICAL_IMAGES} malignant ones {found.sum()} are found instead of "
        f"{found_by_all.sum()}, 95 % lower bound of the difference "
        f"{figures['adaptive_sensitivity_lower']:+.4f}"
    )
    return {name: round(value, 4) for name, value in figures.items()}


if __name__ == "__main__":
    main()
