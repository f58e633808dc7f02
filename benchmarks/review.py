"""What a label of the review queue is worth, against one of an image that chance chose.

uv run python benchmarks/review.py [--json FILE]

Phantoms of several scanners are described by quantiles of their filtered pixels. Three logistic
regressions, each on a resample of a few labelled images, vote as members do. A week of other images
is answered by the vote; persons label those that the product's own choice queues within the bounds
of params.toml, or as many by chance. Both ways the vote is fitted again, with the labels that came
in, and judged on images that nobody saw. All of it is repeated on other partitions of the images.

`gain_ratio`: accuracy gained by queued labels over accuracy gained by as many random ones.
`label_ratio`: random labels that gain as much as one queued label does.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
from figures import print_goals, write_figures
from scipy import ndimage
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ml.contract.quality import ImageStatistics, measure
from ml.contract.records import ModelIdentity, PredictionRecord
from ml.data.phantoms import LABELS, SCANNERS, render_phantom
from ml.monitoring.review_choice import choose_for_review
from ml.params import ReviewParams, load_params
from ml.store.review_images import KeptImage

GOALS = {"gain_ratio": "> 1", "label_ratio": "> 1"}
SEED, IMAGES, SIDE = 20, 1600, 64
FIRST, TESTED, DAYS = 100, 500, 7
MEMBERS, REPEATS, TIMES = 3, 12, (1, 2, 3, 4)
REFER_BELOW = 0.6
MONDAY = datetime(2026, 3, 2, 12, tzinfo=UTC)
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]


def main() -> None:
    """Draw the images, ask both ways, print and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, help="write figures, goals and environment here")
    arguments = parser.parse_args()
    started = time.process_time()
    params = load_params(Path(__file__).parents[1] / "params.toml").review
    features, labels, statistics = draw_images()
    print(f"{IMAGES} phantoms in {time.process_time() - started:.0f} s CPU", flush=True)
    runs = [one_week(features, labels, statistics, params, seed) for seed in range(REPEATS)]
    table = np.array([accuracies for _, accuracies in runs])
    asked = float(np.mean([count for count, _ in runs]))
    before, queued, *random = table.mean(axis=0)
    spread = (table[:, 1] - table[:, 2]).std(ddof=1) / np.sqrt(REPEATS)
    print(f"\n{'labels':<28}{'accuracy':>10}")
    print(f"{f'{FIRST} at the beginning':<28}{before:>10.3f}")
    print(f"{f'and {asked:.0f} queued':<28}{queued:>10.3f}")
    for times, accuracy in zip(TIMES, random, strict=True):
        print(f"{f'and {times * asked:.0f} random':<28}{accuracy:>10.3f}")
    figures = {
        "gain_ratio": round(float((queued - before) / (random[0] - before)), 2),
        "label_ratio": round(_worth(queued, [before, *random]), 2),
        "accuracy_before": round(float(before), 3),
        "accuracy_queued": round(float(queued), 3),
        "accuracy_random": round(float(random[0]), 3),
        "difference_standard_error": round(float(spread), 4),
        "labels": round(asked),
        "cpu_seconds": round(time.process_time() - started),
    }
    print_goals(figures, GOALS)
    write_figures(arguments.json, figures, GOALS, images=IMAGES, repeats=REPEATS)


def draw_images() -> tuple[Floats, Places, ImageStatistics]:
    """Features (n, f) and labels (n,) of phantoms, and the statistics of the last one."""
    rng = np.random.default_rng(SEED)
    scanners = [replace(each, height=(SIDE, SIDE), width=(SIDE, SIDE)) for each in SCANNERS]
    labels = rng.choice(len(LABELS), IMAGES, p=[0.5, 0.3, 0.2])
    rows = []
    for number, label in enumerate(labels):
        pixels = render_phantom(LABELS[label], rng, scanners[number % len(scanners)])
        rows.append(_described(pixels.astype(np.float32) / 255))
    return np.array(rows), labels, measure(pixels)


def one_week(
    features: Floats,
    labels: Places,
    statistics: ImageStatistics,
    params: ReviewParams,
    seed: int,
) -> tuple[int, list[float]]:
    """How many images are asked about; accuracy before, with queued labels, and with one, two …
    times as many random ones."""
    rng = np.random.default_rng([SEED, seed])
    order = rng.permutation(len(labels))
    first, test, pool = np.split(order, [FIRST, FIRST + TESTED])

    def accuracy(known: Places) -> float:
        shares, _ = vote(features, labels, known, test, rng)
        return float((shares.argmax(axis=1) == labels[test]).mean())

    shares, disagreement = vote(features, labels, first, pool, rng)
    queued = queue(pool, shares, disagreement, statistics, params)
    count = len(queued)
    random = [pool[: times * count] for times in TIMES]
    known = [first, *(np.concatenate([first, more]) for more in (queued, *random))]
    return count, [accuracy(images) for images in known]


def vote(
    features: Floats,
    labels: Places,
    known: Places,
    asked: Places,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Probabilities (n, classes) of the members' vote, and their disagreement with it (n,)."""
    answers = []
    for _ in range(MEMBERS):
        sample = rng.choice(known, len(known))
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.3, max_iter=300))
        answers.append(model.fit(features[sample], labels[sample]).predict_proba(features[asked]))
    each = np.array(answers)
    mixture = each.mean(axis=0)
    return mixture, np.abs(each - mixture).sum(axis=2).mean(axis=0) / 2


def queue(
    pool: Places,
    shares: Floats,
    disagreement: Floats,
    statistics: ImageStatistics,
    params: ReviewParams,
) -> Places:
    """Which of the week's images persons are asked about; none is chosen by chance."""
    kept = []
    for place, (image, row) in enumerate(zip(pool, shares, strict=True)):
        at = MONDAY + timedelta(days=int(place * DAYS // len(pool)))
        unsure = row.max() < REFER_BELOW
        record = PredictionRecord(
            request_id=str(image),
            at=at,
            channel="predict",
            image_id=f"{image:064x}",
            model=ModelIdentity(name="vigie", version="1", bundle="0" * 64),
            label=LABELS[row.argmax()],
            action="refer" if unsure else "report",
            reasons=["low confidence"] if unsure else [],
            probabilities=dict(zip(LABELS, map(float, row), strict=True)),
            embedding=[],
            statistics=statistics,
            disagreement=float(disagreement[place]),
            total_ms=1.0,
        )
        image_kept = KeptImage(record.image_id, record.request_id, at, at, "low_confidence", 0.0)
        kept.append((image_kept, record))
    chosen = choose_for_review(kept, {}, params)
    return np.array([int(choice.image_id, 16) for choice in chosen])


def _described(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Quantiles of brightness, edges and spots at four scales: no place, hence any place."""
    parts = []
    for scale in (1, 2, 4, 8):
        smooth = ndimage.gaussian_filter(pixels, scale)[::2, ::2]
        fields = (
            smooth - smooth.mean(),
            ndimage.sobel(smooth, 0),
            np.abs(ndimage.sobel(smooth, 1)),
            ndimage.laplace(smooth),
        )
        parts += [np.quantile(field, QUANTILES) for field in fields]
    return np.concatenate(parts).astype(np.float32)


def _worth(reached: float, random: Sequence[float]) -> float:
    """Random labels, in units of the queued ones, that reach the same; at most the last number."""
    rising = np.maximum.accumulate(random)
    return float(np.interp(reached, rising, np.arange(len(rising))))


if __name__ == "__main__":
    main()
