"""The pages that show test images. They hold pixels, so they stay on this machine."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ml.contract.session import Floats
from ml.evaluation.results import EvaluationReport
from ml.journey.run import Run
from ml.journey.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

    from ml.evaluation.gallery import Picture, Section

_MISTAKES, _UNCERTAIN, _PER_CELL = 40, 20, 4
_MAPS = (
    "Bright: what spoke for the label, on the map's own scale from its lowest to its highest "
    "value; compare places within a map, not brightness between maps."
)


def write_gallery(
    workspace: Workspace,
    run: Run,
    report: EvaluationReport,
    answers: "pd.DataFrame",
    activation_maps: Floats,
) -> None:
    """Write `examples.html` and `activation.html` into a folder that only the owner may open.

    Args:
        answers: as `answer_table` makes them.
        activation_maps: (n, rows, columns, labels), in the order of `answers`.
    """
    from ml.evaluation.examples import least_certain, mistakes
    from ml.evaluation.gallery import Section, render_gallery

    pictures = _Pictures(workspace, report.labels, activation_maps)
    wrong = mistakes(answers, report.critical_label)
    pages = {
        "examples.html": (
            f"Mistakes and least certain answers of {run.info.run_key}",
            f"{len(wrong)} of {len(answers)} test images were answered wrongly.",
            [
                Section(
                    "Mistakes",
                    f"Missed {report.critical_label} images first, then by the answer's "
                    f"probability; {_MISTAKES} at most.",
                    pictures.plain(wrong.head(_MISTAKES)),
                ),
                Section(
                    "Least certain",
                    f"The {_UNCERTAIN} images whose answer has the lowest probability of its own.",
                    pictures.plain(least_certain(answers, _UNCERTAIN)),
                ),
            ],
        ),
        "activation.html": (
            f"Where the answers of {run.info.run_key} came from",
            _MAPS,
            list(_cells(report, answers, pictures)),
        ),
    }
    run.local_evaluation.mkdir(parents=True, exist_ok=True, mode=0o700)
    run.local_evaluation.chmod(0o700)
    for name, (title, note, sections) in pages.items():
        _write_private(run.local_evaluation / name, render_gallery(title, note, sections))


def _cells(
    report: EvaluationReport, answers: "pd.DataFrame", pictures: "_Pictures"
) -> "Iterator[Section]":
    from ml.evaluation.examples import most_confident
    from ml.evaluation.gallery import Section

    for truth, counts in zip(report.labels, report.confusion, strict=True):
        for answer, count in zip(report.labels, counts, strict=True):
            if count:
                shown = most_confident(answers, truth, answer, _PER_CELL)
                yield Section(
                    f"{truth}, answered {answer}",
                    f"{count} of {sum(counts)}; the surest {len(shown)}.",
                    pictures.mapped(shown),
                )


class _Pictures:
    """Loads the images of some answers, one at a time."""

    def __init__(self, workspace: Workspace, labels: list[str], maps: Floats) -> None:
        from ml.data.image_store import ImageStore

        self._store = ImageStore(workspace.images)
        self._labels = labels
        self._maps = maps

    def plain(self, rows: "pd.DataFrame") -> "list[Picture]":
        return [self._picture(row, {}) for row in rows.to_dict("records")]

    def mapped(self, rows: "pd.DataFrame") -> "list[Picture]":
        """With the map of the answer and, where it was wrong, that of the truth."""
        return [
            self._picture(
                row,
                {
                    label: self._maps[position, ..., self._labels.index(label)]
                    for label in dict.fromkeys((row["predicted"], row["label"]))
                },
            )
            for position, row in rows.to_dict("index").items()
        ]

    def _picture(self, row: "dict[str, object]", maps: dict[str, Floats]) -> "Picture":
        from ml.evaluation.gallery import Picture, thumbnail

        identity = str(row["image_id"])
        return Picture(
            image_id=identity,
            truth=str(row["label"]),
            answer=str(row["predicted"]),
            probability=float(str(row["probability"])),
            image=thumbnail(self._store.load(identity)),
            maps=maps,
            facts=[f"referred: {row['reasons']}"] if row["reasons"] else [],
        )


def _write_private(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.part")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    partial.write_text(text)
    partial.replace(path)
